"""Texts that were seen before in almost the same words: retweets, quotes, headlines and templates."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

_WORDS: Final = 3
"""Consecutive words that are compared."""

_SHARED: Final = 0.6
"""Share of the shorter text's word groups that make it a copy, when there are at least `_WORDS` of them."""

_COMMON: Final = 200
"""Groups of words in more rows than this are phrases, not copies."""


class Seen:
    """Texts so far, to tell whether another one is a near copy of one of them."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._places: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        self._sizes: list[int] = []
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        groups = _groups(text)
        for group in groups:
            self._places[group].append(len(self._sizes))
        self._sizes.append(len(groups))

    def has_like(self, text: str) -> bool:
        groups = _groups(text)
        found = (self._places[group] for group in groups if group in self._places)
        shared = Counter(index for indices in found if len(indices) < _COMMON for index in indices)
        return any(
            count >= _WORDS and count / min(len(groups), self._sizes[index]) >= _SHARED
            for index, count in shared.items()
        )


def unlike(texts: Sequence[str], seen: Sequence[str]) -> list[int]:
    """Indices of the texts that are no near copies of one in `seen`."""
    known = Seen(seen)
    return [index for index, text in enumerate(texts) if not known.has_like(text)]


def distinct(texts: Sequence[str]) -> list[int]:
    """Indices of the texts that are no near copies of an earlier one."""
    known, kept = Seen(), []
    for index, text in enumerate(texts):
        if not known.has_like(text):
            known.add(text)
            kept.append(index)
    return kept


def _groups(text: str) -> set[tuple[str, ...]]:
    """Every `_WORDS` consecutive words; mentions, links, case and punctuation don't count."""
    words = re.findall(r"\w+", re.sub(r"(@|http)\S+", "", text.lower()))
    return {tuple(words[start : start + _WORDS]) for start in range(max(1, len(words) - _WORDS + 1))}
