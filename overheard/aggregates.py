"""What an hour's scores come to: the sums from which shares, their intervals and drift are computed later."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BINS: Final = 20
"""Of the histograms: equal parts of [0, 1]."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """Of n posts: called (3,) by the most probable class; sums (3,) of probabilities; and for estimates
    squares (3,): sums of squared probabilities; by_called (3, 3): sums of probabilities of the posts called so, from
    which the expected confusion follows; histogram (3, BINS): how many posts had such a probability of the class."""

    posts: int
    called: tuple[int, ...]
    sums: tuple[float, ...]
    moments: dict[str, Any]


def summary(probabilities: Floats) -> Summary:
    """probabilities: (n, 3), of negative, neutral, positive."""
    called = probabilities.argmax(axis=1) if len(probabilities) else np.zeros(0, np.int64)
    by_called = [probabilities[called == label].sum(axis=0).round(6).tolist() for label in range(3)]
    bins = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    histogram = [np.bincount(bins[:, label], minlength=BINS).tolist() for label in range(3)]
    moments = {
        "squares": (probabilities**2).sum(axis=0).round(6).tolist(),
        "by_called": by_called,
        "histogram": histogram,
    }
    counts = tuple(np.bincount(called, minlength=3).tolist())
    return Summary(len(probabilities), counts, tuple(probabilities.sum(axis=0).tolist()), moments)
