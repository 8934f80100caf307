"""How far posts are from what the model was trained on: predicted classes, length, language, vocabulary.

Few posts always differ from any reference, so what chance alone makes of as many posts is known for each feature, and
only what lies beyond that is called drift. Nothing here reads a text, a file or a clock.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Feature: TypeAlias = Literal["classes", "length", "language", "vocabulary"]

LEVEL: Final = 0.05
"""Of a report without any drift at most such a share calls one of its features drift: each gets an equal part of it."""
LEAST_POSTS: Final = 30
DRAWS: Final = 4_000
FLOORS: Final[Mapping[Feature, float]] = {"classes": 0.002, "length": 0.005, "language": 0.02, "vocabulary": 0.02}
"""Jensen-Shannon divergence beyond chance that matters: with millions of posts every triviality would be drift."""
FEATURES: Final[tuple[Feature, ...]] = ("classes", "length", "language", "vocabulary")


@dataclass(frozen=True)
class Chance:
    """What the divergence of `posts` posts is by chance: mean and standard deviation, in bits."""

    posts: int
    mean: float
    deviation: float


@dataclass(frozen=True)
class Counts:
    """Posts as they are compared. classes (3,): by the most probable class. lengths (B,): in buckets. languages: those
    that are known. vocabulary (K + 1,): posts that hold each of K tokens, and how often they hold another one.

    texts: how many posts the lengths and the vocabulary are of.
    """

    texts: int
    classes: Floats
    lengths: Floats
    languages: Mapping[str, int]
    vocabulary: Floats


@dataclass(frozen=True)
class Reference:
    """What the model was trained on. chance: of the vocabulary, measured on the training texts, from few posts to many.

    Tokens of a post depend on each other, so no formula says what chance does to a vocabulary.
    """

    counts: Counts
    chance: tuple[Chance, ...]


@dataclass(frozen=True)
class Drift:
    """One feature. js: Jensen-Shannon divergence in bits, from 0 (the same) to 1; psi: population stability index.

    expected: what `js` would be on average if there were no drift. limit: beyond it is drift: chance exceeds it less
    often than its part of LEVEL, and it lies at least the feature's floor above what is expected.
    now, trained: shares by name, where there are few of them.
    """

    feature: Feature
    posts: int
    js: float
    psi: float
    expected: float
    limit: float
    is_drift: bool
    now: Mapping[str, float]
    trained: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Compared:
    """Two histograms over the same bins, and the names of the bins where there are few."""

    feature: Feature
    posts: int
    now: Floats
    trained: Floats
    names: tuple[str, ...] = ()


def report(now: Counts, reference: Reference, class_names: Sequence[str]) -> list[Drift]:
    """Each feature of which there are at least LEAST_POSTS posts, and that the reference knows."""
    found = [one for one in _compared(now, reference.counts, class_names) if _can_be_judged(one)]
    return [_judge(one, reference, LEVEL / len(found)) for one in found]


def _compared(now: Counts, trained: Counts, class_names: Sequence[str]) -> Iterator[_Compared]:
    yield _Compared("classes", int(now.classes.sum()), now.classes, trained.classes, tuple(class_names))
    yield _Compared("length", now.texts, now.lengths, trained.lengths)
    names = tuple(sorted({*now.languages, *trained.languages}))
    here, there = (np.array([float(side.languages.get(name, 0)) for name in names]) for side in (now, trained))
    yield _Compared("language", int(here.sum()), here, there, names)
    yield _Compared("vocabulary", now.texts, now.vocabulary, trained.vocabulary)


def _can_be_judged(one: _Compared) -> bool:
    return one.posts >= LEAST_POSTS and one.trained.sum() > 0 and one.now.sum() > 0


def _judge(one: _Compared, reference: Reference, level: float) -> Drift:
    js = float(divergence(one.now, one.trained))
    if one.feature == "vocabulary":
        expected, by_chance = _by_chance(reference.chance, one.posts, level)
    else:
        expected, by_chance = _simulated(one.posts, tuple(one.trained.tolist()), level)
    limit = max(by_chance, expected + FLOORS[one.feature])
    return Drift(
        feature=one.feature,
        posts=one.posts,
        js=round(js, 6),
        psi=round(stability_index(one.now, one.trained), 6),
        expected=round(expected, 6),
        limit=round(limit, 6),
        is_drift=js > limit,
        now=_shares(one.names, one.now),
        trained=_shares(one.names, one.trained),
    )


@lru_cache(maxsize=1_000)
def _simulated(posts: int, trained: tuple[float, ...], level: float) -> tuple[float, float]:
    """Mean, and what is exceeded as often as `level`, if as many posts, and the training rows, were drawn anew from the
    shares that the training rows have. Equal arguments give equal answers.
    """
    generator, rows = np.random.default_rng(0), np.array(trained)
    shares = (rows + 0.5 / len(rows)) / (rows.sum() + 0.5)
    drawn = [generator.multinomial(count, shares, size=DRAWS).astype(np.float64) for count in (posts, int(rows.sum()))]
    found = divergence(drawn[0], drawn[1])
    return float(found.mean()), float(np.quantile(found, 1 - level))


def _by_chance(known: Sequence[Chance], posts: int, level: float) -> tuple[float, float]:
    """Mean, and what is exceeded as often as `level`, of a gamma distribution with this mean and deviation.

    Between numbers of posts that were tried, both lie on a line of logarithms. Beyond them they are as at the last.
    Method of the quantile: Wilson and Hilferty, The distribution of chi-square, PNAS 17 (1931).
    """
    sizes = np.log([one.posts for one in known])
    mean, deviation = (
        float(np.exp(np.interp(np.log(posts), sizes, np.log(values))))
        for values in ([one.mean for one in known], [one.deviation for one in known])
    )
    shape = (mean / deviation) ** 2
    return mean, mean * float(1 - 1 / (9 * shape) + NormalDist().inv_cdf(1 - level) / (3 * shape**0.5)) ** 3


def divergence(counts: Floats, others: Floats) -> Floats:
    """Jensen-Shannon divergence in bits of two histograms, or of many: (…, K) each; 0 the same, 1 nothing in common.

    Method: Lin, Divergence measures based on the Shannon entropy, IEEE Transactions on Information Theory 37 (1991).
    """
    first, second = (side / side.sum(axis=-1, keepdims=True) for side in (counts, others))
    middle = (first + second) / 2
    found: Floats = (_to_middle(first, middle) + _to_middle(second, middle)) / 2
    return np.maximum(found, 0)


def _to_middle(shares: Floats, middle: Floats) -> Floats:
    ratio = np.divide(shares, middle, out=np.ones_like(middle), where=shares > 0)
    parts: Floats = (shares * np.log2(ratio)).sum(axis=-1)
    return parts


def stability_index(counts: Floats, others: Floats) -> float:
    """Population stability index: the symmetric Kullback-Leibler divergence in nats. Half a post is added to each bin,
    which would else be infinite where one side has none.
    """
    first, second = ((side + 0.5) / (side.sum() + 0.5 * len(side)) for side in (counts, others))
    return float(((first - second) * np.log(first / second)).sum())


def _shares(names: Sequence[str], counts: Floats) -> dict[str, float]:
    return {name: round(float(count / counts.sum()), 4) for name, count in zip(names, counts, strict=bool(names))}
