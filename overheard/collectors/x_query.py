"""A topic as queries of X's search.

Syntax and limits: https://docs.x.com/x-api/posts/search/integrate/build-a-query
"""

import re
from typing import Final

from overheard.collectors.base import Topic
from overheard.errors import DataError

LONGEST: Final = 512
NO_REPOSTS: Final = "-is:retweet"
TO_X: Final = {"id": "in", "he": "iw"}
"""Languages that X knows by their old codes."""
FROM_X: Final = {x: iso for iso, x in TO_X.items()}

_PLAIN: Final = re.compile(r"[#@$]?\w+")
_WORDS_OF_THE_SYNTAX: Final = frozenset(("or", "and", "not"))


def queries(topic: Topic, own: str = "") -> tuple[str, ...]:
    """The user's own query as it is, else as few queries as hold all terms: (a OR "b c") -d lang:en -is:retweet.

    Raises DataError when there is nothing to search for, or what goes into every query leaves no room for a term.
    """
    if own:
        return (_fitting(own, "the feed's query"),)
    terms = [term for term in map(_word, dict.fromkeys(topic.terms)) if term]
    if not terms:
        raise DataError("x: there is no term to search for: give the brand terms, or the feed a query of its own")
    groups: list[list[str]] = [[]]
    rest = _rest(topic)
    for term in terms:
        if groups[-1] and len(_query([*groups[-1], term], rest)) > LONGEST:
            groups.append([])
        groups[-1].append(term)
    return tuple(_fitting(_query(group, rest), f"the query for {group[0]}") for group in groups)


def language(tag: str) -> str:
    """ISO 639-1; empty for X's `und` (undetermined) and `qme`, `zxx` and the like (no language at all)."""
    code = FROM_X.get(tag, tag).partition("-")[0].lower()
    return code if len(code) == 2 else ""


def _rest(topic: Topic) -> str:
    excluded = [f"-{word}" for word in map(_word, dict.fromkeys(topic.excluded)) if word]
    spoken = _any([f"lang:{TO_X.get(code, code)}" for code in dict.fromkeys(topic.languages)])
    return " ".join([*excluded, *([spoken] if spoken else []), NO_REPOSTS])


def _query(terms: list[str], rest: str) -> str:
    return f"{_any(terms)} {rest}"


def _any(choices: list[str]) -> str:
    return f"({' OR '.join(choices)})" if len(choices) > 1 else "".join(choices)


def _word(term: str) -> str:
    """A word stays one; all else is a phrase, in which no character is syntax. A quote can't be escaped, so it goes."""
    clean = " ".join(term.replace('"', " ").split())
    if not clean or (_PLAIN.fullmatch(clean) and clean.lower() not in _WORDS_OF_THE_SYNTAX):
        return clean
    return f'"{clean}"'


def _fitting(query: str, what: str) -> str:
    if len(query) > LONGEST:
        raise DataError(f"x: {what} has {len(query)} characters, X allows {LONGEST}: use fewer or shorter words")
    return query
