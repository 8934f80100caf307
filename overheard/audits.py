"""Which posts people are asked to check: a random sample of those that are called negative, neutral, positive each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from overheard.aggregates import Floats
from overheard.scoring.bundle import LABELS

LEAST: Final = 5
"""Of each stratum: people can't tell of some, and a spread needs two."""
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Stratum:
    """So many posts there are, and so many of them were drawn at random."""

    name: str
    posts: int
    drawn: int


@dataclass(frozen=True)
class Sample:
    """places (n,): of the drawn posts, in random order, so that those who answer the first ones alone answer a random
    sample, too. strata (n,): the place of each one's stratum in `table`."""

    places: Ints
    strata: Ints
    table: tuple[Stratum, ...]


def sample(probabilities: Floats, count: int, seed: int | Sequence[int]) -> Sample:
    """`count` posts out of those with these probabilities (n, 3); all where there are no more.

    The same call gives the same sample.
    """
    given = _strata(probabilities, count)
    found, strata, sizes = np.unique(given, return_inverse=True, return_counts=True)
    drawn = allocate(sizes, _spreads(probabilities, strata, len(sizes)), count)
    random = np.random.default_rng(seed)
    chosen = [random.choice(np.flatnonzero(strata == h), size, replace=False) for h, size in enumerate(drawn)]
    places = random.permutation(np.concatenate([np.zeros(0, np.int64), *chosen]))
    names = [LABELS[h] if h >= 0 else "all" for h in found.tolist()]
    table = tuple(Stratum(*row) for row in zip(names, sizes.tolist(), drawn.tolist(), strict=True))
    return Sample(places, strata[places], table)


def allocate(sizes: Ints, spreads: Floats, count: int) -> Ints:
    """How many to draw of each stratum (h,) for the least variance of a mean over all, and at least LEAST.

    sizes, spreads (h,): posts in it, and the standard deviation of what is asked. Source: Neyman allocation in whole
    numbers, Wright, The equivalence of Neyman optimum allocation for sampling and equal proportions for apportioning
    the U.S. House of Representatives, The American Statistician 66 (2012).
    """
    drawn = np.minimum(sizes, min(LEAST, count // max(1, len(sizes))))
    for _ in range(min(count, int(sizes.sum())) - int(drawn.sum())):
        gain = sizes * spreads / np.sqrt(drawn * (drawn + 1.0) + 1e-9)
        drawn[np.argmax(np.where(drawn < sizes, gain, -1))] += 1
    return drawn


def _strata(probabilities: Floats, count: int) -> Ints:
    """(n,) the class that a post is called; all -1 where there would be fewer than LEAST of each.

    Cutting by how sure the model is, too, gained nothing on two streams: the estimate knows the probabilities anyway.
    """
    called: Ints = probabilities.argmax(axis=1)
    return called if count >= LEAST * len(LABELS) else np.full(len(called), -1)


def _spreads(probabilities: Floats, strata: Ints, count: int) -> Floats:
    """(h,) the spread of what the model can't know: by calibrated probabilities the variance is the sum of p(1 - p)."""
    variances = 1 - (probabilities**2).sum(axis=1)
    means = np.bincount(strata, variances, count) / np.maximum(np.bincount(strata, minlength=count), 1)
    return np.sqrt(np.maximum(means, 1e-6))
