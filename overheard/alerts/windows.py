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

    At most four a day: those of one hour are a sample.
    """
    stride = max(hours, 6)
    return end[:, None] - stride * np.arange(1, BASELINE // stride + 1)[None, :]


def excess(counts: Integers, expected: Floats, variance: Floats, is_there: NDArray[np.bool_]) -> Floats:
    """By how much blocks vary more than chance alone: >= 1, by the median, so that one past crisis says nothing.

    All (L, B); expected, variance: by chance. Where fewer than five blocks are there: 1.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = np.where(is_there & (variance > 0), (counts - expected) ** 2 / variance, np.nan)
    few = np.isfinite(squares).sum(axis=1) < 5
    squares[few] = CHI2_MEDIAN
    found: Floats = np.maximum(np.nanmedian(squares, axis=1) / CHI2_MEDIAN, 1.0)
    return found
