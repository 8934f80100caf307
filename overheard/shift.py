"""Prior shift: how often the classes come in a stream, from what a model says that was taught another mix."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from overheard.aggregates import Floats

_ROUNDS: Final = 200
_CLOSE: Final = 1e-6


@dataclass(frozen=True)
class Shift:
    """shares (3,) of the classes; adapted (G, 3): the probabilities as they are under these. worth (3,): as sure as so
    many posts drawn at random and labelled. correlation: of the negative and the positive share."""

    shares: Floats
    adapted: Floats
    worth: Floats
    correlation: float


def adapt(probabilities: Floats, counts: Floats, prior: Floats | None) -> Shift:
    """probabilities: (G, 3), calibrated under `prior` (3,), of which there are counts (G,).

    Expectation maximisation: Saerens, Latinne & Decaestecker, Adjusting the outputs of a classifier to new a priori
    probabilities, Neural Computation 14 (2002). It finds the shares that make the probabilities likeliest, so their
    variance is the inverse of the information: what a bootstrap over the cells comes to, in a fraction of its time.
    """
    raw = counts @ probabilities / counts.sum()
    if prior is None:
        spread = (probabilities - raw).T @ ((probabilities - raw) * counts[:, None]) / counts.sum() ** 2
        return _shift(raw, probabilities, spread)
    likelihood = probabilities / prior
    shares, adapted = raw, probabilities
    for _ in range(_ROUNDS):
        joint = likelihood * shares
        adapted = joint / joint.sum(axis=1, keepdims=True)
        found = counts @ adapted / counts.sum()
        moved = float(np.abs(found - shares).max())
        shares = found
        if moved < _CLOSE:
            break
    return _shift(shares, adapted, _spread(likelihood, counts, shares))


def _spread(likelihood: Floats, counts: Floats, shares: Floats) -> Floats:
    """(3, 3) covariance of the shares."""
    slopes = (likelihood[:, [0, 2]] - likelihood[:, [1]]) / (likelihood @ shares)[:, None]
    inverse = np.linalg.pinv(slopes.T @ (slopes * counts[:, None]))
    whole = np.array([[1.0, 0.0], [-1.0, -1.0], [0.0, 1.0]])
    spread: Floats = whole @ inverse @ whole.T
    return spread


def _shift(shares: Floats, adapted: Floats, spread: Floats) -> Shift:
    varies = np.maximum(np.diag(spread), 1e-12)
    scale = float(np.sqrt(varies[0] * varies[2]))
    worth = np.maximum(shares * (1 - shares), 1e-6) / varies
    return Shift(shares, adapted, worth, float(spread[0, 2]) / scale)
