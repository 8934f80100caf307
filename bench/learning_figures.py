"""The arithmetic of `bench.learning_loop`: figures per round, and how sure a difference between two ways is.

Predictions are strings of digits, a digit (0, 1, 2) per judged row: small in JSON, and every figure comes from them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from overheard.evaluation import evaluate

Digits: TypeAlias = str
Confusions: TypeAlias = NDArray[np.float64]

DRAWS: Final = 2000


@dataclass(frozen=True)
class Figures:
    """Shares of 1."""

    macro_f1: float
    accuracy: float
    macro_recall: float


@dataclass(frozen=True)
class Interval:
    """A difference in points, and where it lies with 95 % confidence."""

    points: float
    low: float
    high: float


def figures(predicted: Digits, labels: Digits) -> Figures:
    """Of one model on one set of rows."""
    found = evaluate(np.eye(3)[_codes(predicted)], _codes(labels))
    return Figures(found.macro_f1, found.accuracy, found.macro_recall)


def mean(found: Sequence[Figures]) -> Figures:
    """Over seeds or domains."""
    return Figures(*(float(np.mean([getattr(one, name) for one in found])) for name in Figures.__dataclass_fields__))


def macro_f1(confusions: Confusions) -> NDArray[np.float64]:
    """(...,) of (..., 3, 3) weighted confusions: true classes down, called ones across."""
    hits = np.diagonal(confusions, axis1=-2, axis2=-1)
    share: NDArray[np.float64] = (2 * hits / np.maximum(confusions.sum(-1) + confusions.sum(-2), 1)).mean(-1)
    return share


def accuracy(confusions: Confusions) -> NDArray[np.float64]:
    """The same for accuracy."""
    share: NDArray[np.float64] = np.trace(confusions, axis1=-2, axis2=-1) / confusions.sum((-2, -1))
    return share


def macro_recall(confusions: Confusions) -> NDArray[np.float64]:
    """The same for macro-recall."""
    hits = np.diagonal(confusions, axis1=-2, axis2=-1)
    share: NDArray[np.float64] = (hits / np.maximum(confusions.sum(-1), 1)).mean(-1)
    return share


@dataclass(frozen=True)
class Pairs:
    """Two ways on the same rows, a pair of predictions per seed. labels: of the rows; before, after: one per seed."""

    labels: Digits
    before: Sequence[Digits]
    after: Sequence[Digits]


def gain(
    domains: Sequence[Pairs], metric: Callable[[Confusions], NDArray[np.float64]], seed: int = 0, draws: int = DRAWS
) -> Interval:
    """What `after` has over `before` in points, averaged over seeds and domains.

    Paired bootstrap over rows and seeds: each draw takes rows anew, the same ones for both ways and all seeds, and
    seeds anew, the same ones for both ways (Efron & Tibshirani, An introduction to the bootstrap, 1993).
    """
    rng = np.random.default_rng(seed)
    whole = [_difference(pairs, metric, np.ones((1, len(pairs.labels))))[0].mean() for pairs in domains]
    drawn = np.zeros(draws)
    for pairs in domains:
        rows, seeds = len(pairs.labels), len(pairs.after)
        changes = _difference(pairs, metric, rng.multinomial(rows, np.full(rows, 1 / rows), size=draws).astype(float))
        taken = rng.integers(seeds, size=(draws, seeds))
        drawn += np.take_along_axis(changes, taken, axis=1).mean(axis=1) / len(domains)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(100 * float(np.mean(whole)), 100 * float(low), 100 * float(high))


def _difference(
    pairs: Pairs, metric: Callable[[Confusions], NDArray[np.float64]], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(draws, seeds) of rows weighted by (draws, rows)."""
    found = [
        metric(_confusions(weights, after, pairs.labels)) - metric(_confusions(weights, before, pairs.labels))
        for before, after in zip(pairs.before, pairs.after, strict=True)
    ]
    return np.stack(found, axis=1)


def _confusions(weights: NDArray[np.float64], predicted: Digits, labels: Digits) -> Confusions:
    cells = np.eye(9)[3 * _codes(labels) + _codes(predicted)]
    found: Confusions = (weights @ cells).reshape(-1, 3, 3)
    return found


def _codes(digits: Digits) -> NDArray[np.intp]:
    return np.frombuffer(digits.encode(), dtype=np.uint8).astype(np.intp) - ord("0")


def digits(classes: Sequence[int] | NDArray[np.integer]) -> Digits:
    """Classes 0, 1, 2 as a string."""
    return "".join(str(int(label)) for label in classes)
