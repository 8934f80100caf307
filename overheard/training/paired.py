"""Two models on the same rows: how sure it is that one is right more often than the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Doubles: TypeAlias = NDArray[np.float64]
Hits: TypeAlias = NDArray[np.bool_]

DRAWS: Final = 4_000


@dataclass(frozen=True)
class Interval:
    """A figure and where it lies for certain, to the degree that was asked for. Shares of 1."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, resampled: Doubles, confidence: float) -> Self:
        """The central interval that holds this share of the resampled values."""
        low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
        return cls(value, float(low), float(high))


def resampled_change(
    before: Hits, after: Hits, strata: NDArray[np.integer], generator: np.random.Generator, draws: int = DRAWS
) -> Doubles:
    """(draws,) changes of the mean over strata of the share of hits, each in rows drawn anew from within their stratum.

    before, after: (N,) whether each model is right. strata: (N,) the true classes, for macro-recall; all the same, for
    accuracy. Only whether a row was gained, kept or lost counts, so a stratum's resample is one multinomial draw.

    Method: paired bootstrap (Efron and Tibshirani, An introduction to the bootstrap, 1993). Half a row is added to each
    cell of a stratum's table of before and after, so that three rows which all were lost are no certainty (Agresti and
    Min, Simple improved confidence intervals for comparing matched proportions, Statistics in Medicine 24, 2005).
    """
    _, stratum = np.unique(strata, return_inverse=True)
    rows = np.bincount(stratum)
    gained = np.bincount(stratum, weights=after & ~before)
    lost = np.bincount(stratum, weights=before & ~after)
    cells = np.stack([gained + 0.5, rows - gained - lost + 1, lost + 0.5], axis=1)
    drawn = generator.multinomial(rows, cells / (rows + 2)[:, None], size=(draws, len(rows)))
    changes: Doubles = ((drawn[:, :, 0] - drawn[:, :, 2]) / rows).mean(axis=1)
    return changes


def p_value(resampled: Doubles, bound: float) -> float:
    """How easily so low a change would be seen if the true one were `bound` or more; never 0."""
    return float((np.count_nonzero(resampled >= bound) + 1) / (len(resampled) + 1))


def holm(p_values: Sequence[float], level: float) -> list[bool]:
    """Which hypotheses are rejected, so that one or more are by mistake with a chance of at most `level`.

    Method: Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    rejected = [False] * len(p_values)
    for rank, index in enumerate(np.argsort(p_values, kind="stable").tolist()):
        if p_values[index] > level / (len(p_values) - rank):
            break
        rejected[index] = True
    return rejected
