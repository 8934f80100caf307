"""How sure a model may sound: one temperature, fitted on rows that it never learned from, and what it then assumes."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from overheard.performance import Calibration

_TEMPERATURES: Final = np.geomspace(0.25, 8.0, 351)
"""One per cent apart: finer than any held-out sample can tell."""

_ROUNDS: Final = 100


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer], prior_shift: float) -> float:
    """The temperature whose probabilities explain the labels best (least log loss).

    logits: (N, 3); labels: (N,) of 0, 1, 2. prior_shift: as in Recipe; rows are weighted so that the classes have
    the prior that the model's probabilities assume.
    Method: Guo et al., On calibration of modern neural networks, ICML 2017.
    """
    shares = np.maximum(np.bincount(labels, minlength=logits.shape[1]), 1) / len(labels)
    weights = (shares**-prior_shift)[labels]
    rows = np.arange(len(labels))

    def log_loss(temperature: np.float64) -> float:
        scaled = logits / temperature
        scaled -= scaled.max(axis=1, keepdims=True)
        return float(weights @ (np.log(np.exp(scaled).sum(axis=1)) - scaled[rows, labels]))

    return float(min(_TEMPERATURES, key=log_loss))


def fit_prior(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """(3,) the mix of classes that probabilities assume: seen from there, they explain held-out labels best.

    A recipe's prior shift says where they should be; smoothed labels and one temperature for all move them on.
    probabilities: (N, 3); labels: (N,). Same as a bias for each class in Alexandari, Kundaje & Shrikumar, Maximum
    likelihood with bias-corrected calibration is hard-to-beat at label shift adaptation, ICML 2020.
    """
    shares = np.maximum(np.bincount(labels, minlength=probabilities.shape[1]), 1) / len(labels)
    weights = np.ones_like(shares)
    for _ in range(_ROUNDS):
        seen = probabilities * weights
        weights *= shares / (seen / seen.sum(axis=1, keepdims=True)).mean(axis=0)
    prior: NDArray[np.float64] = shares / weights / (shares / weights).sum()
    return prior


def known(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> dict[str, Any]:
    """What held-out rows tell those who estimate from a model's probabilities, for the manifest's metrics."""
    prior = fit_prior(probabilities, labels)
    return {"prior": prior.round(4).tolist(), "calibration": Calibration.measured(probabilities, labels).as_dict()}
