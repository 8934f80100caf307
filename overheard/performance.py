"""How often a model is right: by what it promises of posts that nobody labelled, and by what people say of audits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from overheard.aggregates import Floats, Summary
from overheard.intervals import NONE, Share, quantile, wilson
from overheard.powered import Audits, collapsed

MIN_POSTS: Final = 100
MIN_AUDITS: Final = 30
PROMISED_WORTH: Final = 200.0
"""An expectation is taken as no surer than so many labels would make it: how well probabilities are calibrated on a
stream is not known. See docs/estimates.md for how far off it was."""
_SHAKY: Final = 5.0
"""Rows of doubt in each cell of a confusion, and in each recall."""


@dataclass(frozen=True)
class Performance:
    """Shares of 1 with 95 % intervals, NONE where posts or audits are too few. macro_recall: over the classes that
    occur. posts: that were looked at, or audited."""

    accuracy: Share
    macro_recall: Share
    posts: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        about = {"accuracy": self.accuracy.as_dict(), "macro_recall": self.macro_recall.as_dict()}
        return {**about, "posts": self.posts}


@dataclass(frozen=True)
class Calibration:
    """What a model promised of held-out rows and what was found: (3, 3) each, as called down, the true class across.

    promised: sums of probabilities; found: counts. As `Manifest.metrics["calibration"]` has them.
    """

    promised: Floats
    found: Floats

    @classmethod
    def of(cls, kept: Mapping[str, Any] | None) -> Self | None:
        return cls(np.array(kept["promised"], np.float64), np.array(kept["found"], np.float64)) if kept else None

    @classmethod
    def measured(cls, probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> Self:
        """probabilities: (n, 3) of rows that the model never learned from; labels: (n,)."""
        called = np.eye(3)[probabilities.argmax(axis=1)]
        return cls(called.T @ probabilities, called.T @ np.eye(3)[labels])

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"promised": self.promised.round(3).tolist(), "found": self.found.tolist()}

    def correct(self, by_called: Floats) -> Floats:
        """What promises of that kind came to: rows keep their sums."""
        likely = by_called * (self.found + _SHAKY) / (self.promised + _SHAKY)
        corrected: Floats = likely * (by_called.sum(axis=1) / np.maximum(likely.sum(axis=1), 1e-12))[:, None]
        return corrected


def expected(counted: Summary, calibration: Calibration | None = None) -> Performance:
    """What the model's probabilities promise: of the posts that it calls negative with 0.8, four in five should be.

    True as far as they are calibrated on such posts; calibration: how far they were on held-out rows.
    Confidence-based performance estimation: Bialek et al., Estimating model performance under covariate shift without
    labels (2024); as average confidence: Guillory et al., Predicting with confidence on unseen distributions (2021).
    """
    by_called = counted.moments.by_called
    if counted.posts < MIN_POSTS or by_called.sum() < 0.99 * counted.posts:
        return Performance(NONE, NONE, counted.posts)
    likely = calibration.correct(by_called) if calibration else by_called
    right, true = np.diag(likely), likely.sum(axis=0)
    worth = 1 / (1 / counted.posts + 1 / PROMISED_WORTH)
    recalls = right[true > 0] / true[true > 0]
    varies = (recalls * (1 - recalls) / (true[true > 0] / likely.sum() * worth)).mean() / len(recalls)
    return Performance(
        wilson(float(right.sum() / likely.sum()), worth), _wilson(float(recalls.mean()), float(varies)), counted.posts
    )


def measured(audits: Audits) -> Performance:
    """What people say: weighted by how many posts each audit stands for, as the strata were drawn."""
    if len(audits) < MIN_AUDITS:
        return Performance(NONE, NONE, len(audits))
    strata = collapsed(audits)
    weights = strata.weights
    is_right = (audits.probabilities.argmax(axis=1) == audits.labels).astype(np.float64)
    true = np.eye(3)[audits.labels]
    shares = weights @ true
    present = shares > 0
    recalls = (weights * is_right) @ true[:, present] / shares[present]
    accuracy = float(weights @ is_right)
    known = float(strata.worth(is_right[:, None])[0])
    apart = true[:, present] * (is_right[:, None] - recalls) / shares[present]  # the ratios' slopes at each post
    errors = strata.summed(apart.mean(axis=1)[:, None] * weights[:, None])
    varies = float(strata.covariance(errors, errors)[0, 0])
    z = quantile(len(audits) - len(strata.sizes))
    return Performance(wilson(accuracy, known, z), _macro(recalls, shares[present] * known, varies, z), len(audits))


def _macro(recalls: Floats, answers: Floats, varies: float, z: float) -> Share:
    """The mean of recalls of so many answers each. Few that are all right do not say that the others would be."""
    calm = (recalls * answers + _SHAKY / 2) / (answers + _SHAKY)
    least = float((calm * (1 - calm) / (answers + _SHAKY)).mean()) / len(recalls)
    middle = float(calm.mean())
    return wilson(float(recalls.mean()), middle * (1 - middle) / max(varies, least), z)


def _wilson(point: float, variance: float) -> Share:
    """With the effective sample size that this variance is that of; points at an end are taken as near it."""
    calm = min(max(point, 0.005), 0.995)
    return wilson(point, calm * (1 - calm) / max(variance, 1e-9))
