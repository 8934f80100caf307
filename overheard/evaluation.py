"""How good a classifier's probabilities are, measured on labelled rows."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_BINS: Final = 15


@dataclass(frozen=True)
class Bin:
    """Rows of which a model is about as sure. confidence: its mean top probability; accuracy: how often it is right."""

    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Evaluation:
    """Figures as shares of 1. `confusion`: rows are the true classes, columns the predicted ones."""

    n: int
    accuracy: float
    macro_recall: float
    macro_f1: float
    ece: float
    confusion: tuple[tuple[int, ...], ...]

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON; keys `n`, `accuracy`, `macro_recall`, `macro_f1`, `ece`, `confusion`."""
        return {**asdict(self), "confusion": [list(row) for row in self.confusion]}


def evaluate(probabilities: NDArray[np.floating], labels: NDArray[np.integer] | Sequence[int]) -> Evaluation:
    """Judge (N, 3) probabilities by (N,) labels 0, 1, 2. Raises ValueError when there are none, or not as many.

    Macro-recall and macro-F1 are averaged over the classes that occur in `labels`: a class that no row has can be
    neither found nor missed.
    """
    n, classes = probabilities.shape
    labels = np.asarray(labels)
    if n == 0 or labels.shape != (n,):
        raise ValueError(f"{n} rows of probabilities can't be judged by {labels.size} labels")
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    hits, true, called = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    present = true > 0
    return Evaluation(
        n=n,
        accuracy=float(hits.sum() / n),
        macro_recall=float((hits[present] / true[present]).mean()),
        macro_f1=float((2 * hits[present] / (true + called)[present]).mean()),
        ece=sum(one.n * abs(one.confidence - one.accuracy) for one in reliability(probabilities, labels)) / n,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def reliability(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> tuple[Bin, ...]:
    """How sure a model is and how often it is right, over 15 bins of equal width of the top probability; bins without
    rows are left out. The expected calibration error is the mean distance of the two.

    Method: Guo et al., On calibration of modern neural networks, ICML 2017.
    """
    confidence, is_right = probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == labels
    bins = np.clip(np.ceil(confidence * _BINS).astype(np.intp) - 1, 0, _BINS - 1)
    rows, sure, right = (np.bincount(bins, weights=each, minlength=_BINS) for each in (None, confidence, is_right))
    return tuple(Bin(int(rows[b]), float(sure[b] / rows[b]), float(right[b] / rows[b])) for b in np.flatnonzero(rows))
