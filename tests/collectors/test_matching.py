"""Whether a text is about a topic."""

import pytest

from overheard.collectors.base import Topic
from overheard.collectors.matching import is_about, is_spoken


@pytest.mark.parametrize(
    ("term", "text", "found"),
    [
        ("acme", "I like ACME.", True),
        ("acme", "acmeology is a science", False),
        ("road runner", "the road\nrunner is fast", True),
        ("C++", "I write C++ daily", True),
        ("ŠKODA", "my škoda, at last", True),
        ("索尼", "我喜欢索尼相机", True),
        ("삼성", "삼성이 좋아요", True),
        ("#acme", "so #acme it hurts", True),
        ("a.b", "axb", False),
    ],
)
def test_terms_are_found_as_whole_words(term: str, text: str, found: bool) -> None:
    assert is_about(Topic((term,)), text) is found


def test_an_excluded_word_decides() -> None:
    assert not is_about(Topic(("acme",), ("coyote",)), "acme sold to a Coyote")


def test_without_terms_all_is_about_it() -> None:
    assert is_about(Topic(()), "anything")


def test_a_language_that_is_not_known_is_taken() -> None:
    topic = Topic(("acme",), languages=("en",))
    assert [is_spoken(topic, language) for language in ("en", "", "de")] == [True, True, False]
