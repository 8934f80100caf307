"""Texts that were seen before in almost the same words: retweets, quotes, headlines and templates."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

_WORDS: Final = 3
"""Consecutive words that are compared."""

_SHARED: Final = 0.6
"""Share of the shorter text's word groups that make it a copy, when there are at least `_WORDS` of them."""

_COMMON: Final = 200
"""Groups of words in more rows than this are phrases, not copies."""


def unlike(texts: Sequence[str], seen: Sequence[str]) -> list[int]:
    """Indices of the texts that are no near copies of one in `seen`."""
    places: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    sizes = []
    for index, text in enumerate(seen):
        groups = _groups(text)
        sizes.append(len(groups))
        for group in groups:
            places[group].append(index)
    return [index for index, text in enumerate(texts) if not _is_copy(_groups(text), places, sizes)]


def distinct(texts: Sequence[str]) -> list[int]:
    """Indices of the texts that are no near copies of an earlier one."""
    places: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    sizes: list[int] = []
    kept: list[int] = []
    for index, text in enumerate(texts):
        groups = _groups(text)
        if not _is_copy(groups, places, sizes):
            for group in groups:
                places[group].append(len(sizes))
            sizes.append(len(groups))
            kept.append(index)
    return kept


def _is_copy(groups: set[tuple[str, ...]], places: dict[tuple[str, ...], list[int]], sizes: list[int]) -> bool:
    found = (places[group] for group in groups if group in places)
    shared = Counter(index for indices in found if len(indices) < _COMMON for index in indices)
    return any(count >= _WORDS and count / min(len(groups), sizes[index]) >= _SHARED for index, count in shared.items())


def _groups(text: str) -> set[tuple[str, ...]]:
    """Every `_WORDS` consecutive words; mentions, links, case and punctuation don't count."""
    words = re.findall(r"\w+", re.sub(r"(@|http)\S+", "", text.lower()))
    return {tuple(words[start : start + _WORDS]) for start in range(max(1, len(words) - _WORDS + 1))}
