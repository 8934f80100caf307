"""Prior shift: how often the classes come in a stream, from what a model says that was taught another mix."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from overheard.aggregates import Floats

HELD: Final = 1.0
_ROUNDS: Final = 50
_CLOSE: Final = 1e-7
_FREE: Final = np.array([[1.0, 0.0], [-1.0, -1.0], [0.0, 1.0]])
"""Of three shares that sum to 1 two are free: how all move with the negative and the positive one."""


@dataclass(frozen=True)
class Shift:
    """shares (3,) of the classes; adapted (G, 3): the probabilities as they are under these. worth (3,): as sure as so
    many posts drawn at random and labelled. correlation: of the negative and the positive share."""

    shares: Floats
    adapted: Floats
    worth: Floats
    correlation: float


def adapt(probabilities: Floats, counts: Floats, prior: Floats | None, held: float = HELD) -> Shift:
    """probabilities: (G, 3), calibrated under `prior` (3,), of which there are counts (G,). held: so many posts that
    are as the model says join in, which keeps a few posts from saying too much.

    The shares under which the probabilities are likeliest: where the expectation maximisation of Saerens, Latinne &
    Decaestecker (Adjusting the outputs of a classifier to new a priori probabilities, Neural Computation 14, 2002)
    ends, but in a few of Newton's steps. Their variance is the inverse of the information: what a bootstrap over the
    cells comes to, in a fraction of its time.
    """
    raw = counts @ probabilities / counts.sum()
    if prior is None:
        apart = probabilities - raw
        return _shift(raw, probabilities, apart.T @ (apart * counts[:, None]) / counts.sum() ** 2)
    likelihood, extra, shares = probabilities / prior, held * raw, raw
    for _ in range(_ROUNDS):
        slopes = (likelihood @ _FREE) / (likelihood @ shares)[:, None]
        upward = counts @ slopes + (extra / shares) @ _FREE
        curved = slopes.T @ (slopes * counts[:, None]) + _FREE.T @ (_FREE * (extra / shares**2)[:, None])
        step = _FREE @ np.linalg.solve(curved, upward)
        shares = shares + step * _room(shares, step)
        if float(np.abs(step).max()) < _CLOSE:
            break
    joint = likelihood * shares
    return _shift(shares, joint / joint.sum(axis=1, keepdims=True), _FREE @ np.linalg.inv(curved) @ _FREE.T)


def _room(shares: Floats, step: Floats) -> float:
    """How much of a step can be made so that each share keeps a tenth of what it is at least."""
    return float(min(1.0, *(0.9 * shares[step < 0] / -step[step < 0]))) if (step < 0).any() else 1.0


def _shift(shares: Floats, adapted: Floats, spread: Floats) -> Shift:
    varies = np.maximum(np.diag(spread), 1e-12)
    worth = np.maximum(shares * (1 - shares), 1e-6) / varies
    return Shift(shares, adapted, worth, float(spread[0, 2] / np.sqrt(varies[0] * varies[2])))
