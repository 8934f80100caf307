"""Topics as queries that X accepts."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overheard.collectors.base import Topic
from overheard.collectors.x_query import LONGEST, language, queries
from overheard.errors import DataError

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)


def test_words_phrases_exclusions_and_languages_become_one_query() -> None:
    topic = Topic(("acme", "acme corp", "#acme", "@acme"), ("road runner", "coyote"), ("en", "de"))
    assert queries(topic) == (
        '(acme OR "acme corp" OR #acme OR @acme) -"road runner" -coyote (lang:en OR lang:de) -is:retweet',
    )


def test_one_term_in_any_language_needs_no_groups() -> None:
    assert queries(Topic(("acme",))) == ("acme -is:retweet",)


@pytest.mark.parametrize("term", ["from:rival", "-acme", "(acme)", "OR", "and", "AT&T", "coca-cola"])
def test_nothing_in_a_term_is_syntax(term: str) -> None:
    assert queries(Topic((term,))) == (f'"{term}" -is:retweet',)


def test_a_quote_in_a_term_does_not_end_the_phrase() -> None:
    assert queries(Topic(('the "best" acme',))) == ('"the best acme" -is:retweet',)


def test_x_knows_some_languages_by_old_codes() -> None:
    assert queries(Topic(("acme",), languages=("id",))) == ("acme lang:in -is:retweet",)
    known = {"in": "id", "iw": "he", "en": "en", "zh-TW": "zh", "und": "", "qme": "", "": ""}
    assert {tag: language(tag) for tag in known} == known


@given(st.lists(WORDS, min_size=1, max_size=60), st.lists(WORDS, max_size=5), st.sets(st.sampled_from(("en", "fr"))))
def test_every_term_is_in_one_query_that_is_short_enough(
    terms: list[str], excluded: list[str], spoken: set[str]
) -> None:
    meant = [" ".join(term.replace('"', " ").split()) for term in terms]
    if not any(meant):
        return
    found = queries(Topic(tuple(terms), tuple(excluded), tuple(spoken)))
    assert all(len(query) <= LONGEST for query in found)
    assert all(query.count('"') % 2 == 0 and query.endswith("-is:retweet") for query in found)
    for term in filter(None, meant):
        alone = re.compile(rf'(?:^|[( "]){re.escape(term)}(?:[) "]|$)')
        assert any(alone.search(query) for query in found)


def test_the_users_own_query_is_sent_as_it_is() -> None:
    assert queries(Topic(("acme",)), "from:acme has:links") == ("from:acme has:links",)


@pytest.mark.parametrize(
    ("topic", "own", "said"),
    [
        (Topic(()), "", "no term"),
        (Topic(('" "',)), "", "no term"),
        (Topic(("a" * 600,)), "", "X allows 512"),
        (Topic(("acme",), tuple(f"excluded{n:03}" for n in range(50))), "", "X allows 512"),
        (Topic(()), "x" * 513, "513 characters"),
    ],
)
def test_what_can_not_be_asked_is_refused(topic: Topic, own: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        queries(topic, own)
