"""Sums over the last hours, and over like stretches before them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from overheard.alerts.facts import Integers

Floats = NDArray[np.float64]

WINDOWS: Final = (1, 6, 24, 72)
"""Hours: a big change is found in one, a small one, or that of a brand of which little is said, in three days."""
DAY: Final = 24
BASELINE: Final = 28 * 24
"""Hours before, with which they are compared."""
LEAST_BLOCKS: Final = 5
CHI2_MEDIAN: Final = 0.4549
"""Of chi-squared with one degree of freedom."""


class Sums:
    """Sums of (T,) counts over any stretch, in one step each. Hours before the first hold nothing."""

    def __init__(self, counts: Integers) -> None:
        self._until = np.concatenate([[0], np.cumsum(counts)])

    def between(self, since: Integers, until: Integers) -> Integers:
        """Of the hours since <= hour < until, whatever their shape."""
        last = len(self._until) - 1
        found: Integers = self._until[np.clip(until, 0, last)] - self._until[np.clip(since, 0, last)]
        return found


def blocks(end: Integers, hours: int) -> Integers:
    """Starts of stretches as long as the window, in the BASELINE that ends there (exclusive): (L,) -> (L, B).

    At most two a day: those of short windows are a sample.
    """
    stride = max(hours, 12)
    return end[:, None] - stride * np.arange(1, BASELINE // stride + 1)[None, :]


def median(rows: Floats) -> Floats:
    """(L, N) -> (L,) of what is known in each row (not NaN); of one that knows nothing: 0. Sorted, which is faster than
    numpy's own for many short rows."""
    ordered, known = np.sort(rows, axis=1), np.isfinite(rows).sum(axis=1)
    place, last = np.arange(len(rows)), np.maximum(known - 1, 0)
    middle: Floats = (ordered[place, last // 2] + ordered[place, (last + 1) // 2]) / 2
    return np.where(known > 0, middle, 0.0)


def excess(counts: Integers, expected: Floats, variance: Floats, is_there: NDArray[np.bool_]) -> Floats:
    """By how much blocks vary more than chance alone: >= 1, by the median, so that one past crisis says nothing.

    All (L, B); expected, variance: by chance. Where fewer than LEAST_BLOCKS are there: 1.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = np.where(is_there & (variance > 0), (counts - expected) ** 2 / variance, np.nan)
    is_known = np.isfinite(squares).sum(axis=1) >= LEAST_BLOCKS
    return np.where(is_known, np.maximum(median(squares) / CHI2_MEDIAN, 1.0), 1.0)
