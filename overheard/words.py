"""Which words and topics grew in posts of a kind, and which posts are typical of them."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Final

import numpy as np

from overheard.scoring.text import clean, key

PRIOR_POSTS: Final = 50
"""The prior weighs as many posts: enough that a rare word needs proof, too few to hide a crisis."""
LEAST_POSTS: Final = 5
LEVEL: Final = 0.05
MOST: Final = 10
_WORD: Final = re.compile(r"#?[^\W_]+(?:['\u2019-][^\W_]+)*")
_MASKED: Final = frozenset({"@user", "http"})


@dataclass(frozen=True)
class Said:
    """A post. probability: of the class that it is told for."""

    post_id: int
    text: str
    author: str
    reach: int
    probability: float


@dataclass(frozen=True)
class Grown:
    """A word, a pair of words or a hashtag. before, after: share of the posts it is in; z: how sure its growth is."""

    text: str
    before: float
    after: float
    z: float


def words(text: str) -> frozenset[str]:
    """The words of a post, in lower case; no mentions, links, hashtags or bare numbers."""
    return frozenset(word for word in _tokens(text) if word[0] != "#" and not word.isdigit())


def topics(text: str) -> frozenset[str]:
    """Its pairs of neighbouring words, and its hashtags."""
    tokens = _tokens(text)
    pairs = (f"{first} {second}" for first, second in pairwise(tokens) if "#" not in first[0] + second[0])
    return frozenset(pairs) | frozenset(token for token in tokens if token[0] == "#")


def _tokens(text: str) -> list[str]:
    kept = " ".join(word for word in clean(text).split() if word not in _MASKED)
    return _WORD.findall(kept.lower())


def without_repeats(said: Iterable[Said]) -> list[Said]:
    """What one person said again and again in the same words counts once; what many say counts as often as they do."""
    found: dict[tuple[str, str], Said] = {}
    for one in said:
        found.setdefault((one.author or str(one.post_id), key(one.text)), one)
    return list(found.values())


def grown(before: Sequence[frozenset[str]], after: Sequence[frozenset[str]]) -> list[Grown]:
    """What is in more of the later posts than of the earlier ones, the surest first, at most MOST.

    before, after: what is in each post. How common a word is in all of them is the prior: so stop words need no list,
    and fewer posts on one side make no growth. It counts at the 5 % level, corrected for how many words were tried.

    Method: log-odds ratio with an informative Dirichlet prior (Monroe, Colaresi and Quinn, Fightin' Words, Political
    Analysis 16, 2008), on how many posts a word is in, so that no post counts for more than one.
    """
    first, second = (Counter(word for post in posts for word in post) for posts in (before, after))
    tried = [word for word, count in second.items() if count >= LEAST_POSTS]
    if not tried or not before:
        return []
    least = NormalDist().inv_cdf(1 - LEVEL / len(tried))
    found = []
    for word in tried:
        prior = PRIOR_POSTS * (first[word] + second[word]) / (len(before) + len(after))
        z = _z(first[word], len(before), second[word], len(after), min(prior, PRIOR_POSTS - 0.01))
        if z > least:
            found.append(Grown(word, first[word] / len(before), second[word] / len(after), round(z, 2)))
    return sorted(found, key=lambda one: (-one.z, one.text))[:MOST]


def _z(before: int, all_before: int, after: int, all_after: int, prior: float) -> float:
    """Of the growth of a word's log-odds. prior: of PRIOR_POSTS posts, how many would hold it.

    Other than in a text's many words, posts without the word can be few: they add to the variance, too.
    """
    held = np.array([before, after]) + prior
    lacked = np.array([all_before, all_after]) + PRIOR_POSTS - held
    odds, variance = np.log(held / lacked), (1 / held + 1 / lacked).sum()
    return float((odds[1] - odds[0]) / np.sqrt(variance))


def examples(said: Sequence[Said], grown: Sequence[Grown], at_most: int) -> list[int]:
    """Ids of posts that show what grew: those with most of it, by how sure it is, and those that reached many.

    Where nothing grew, those that are most surely of the class. No text comes twice.
    """
    sure = {one.text: one.z for one in grown}
    typical = [sum(sure.get(term, 0.0) for term in words(one.text) | topics(one.text)) for one in said]
    if not any(typical):
        typical = [one.probability for one in said]
    reach = [math.log1p(max(0, one.reach)) for one in said]
    tops = max(typical, default=0.0) or 1.0, max(reach, default=0.0) or 1.0
    ranked = sorted(range(len(said)), key=lambda at: (-(typical[at] / tops[0] + reach[at] / tops[1]), said[at].post_id))
    distinct: dict[str, int] = {}
    for place in ranked:
        distinct.setdefault(key(said[place].text), said[place].post_id)
    return list(distinct.values())[:at_most]
