"""How often the classes come in a stream that nobody labelled, from what a model says that was taught another mix.

A model errs on every brand in its own way: its log odds are off by something that nobody can know without labels. So
a brand's shares and this bias are found together: the likeliest, given how much both differ from brand to brand.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from overheard.aggregates import MIDDLES, Floats

_POLES: Final = [0, 2]


def _variances(negative: float, positive: float, correlation: float) -> Floats:
    """Of log odds against neutral, from their standard deviations."""
    both = np.array([negative, positive])
    found: Floats = np.outer(both, both) * [[1, correlation], [correlation, 1]]
    return found


BIAS: Final = _variances(0.4, 0.4, -0.4)
"""Between brands of one stream, of what a model's log odds are off by; fitted, see docs/estimates.md."""
SPREAD: Final = _variances(0.6, 0.6, 0.0)
"""Likewise, of the log odds of their shares."""
TAILS: Final = 5.0
"""Degrees of freedom, as in Student's t, of how far shares are from the usual ones: very far in a crisis."""
FAR_BIAS: Final = _variances(0.6, 0.6, 0.5)
"""What they may be on streams of another kind, where people speak and judge otherwise: what intervals allow for."""
FAR_SPREAD: Final = _variances(1.0, 1.0, 0.5)
JOINING: Final = 0.02
"""For each post so many that nobody doubts join in, as mixed as usual. Posts that are all alike, as reposts of one text
are, would otherwise tell nothing: whatever the shares, there is a bias that explains them."""
_ROUNDS: Final = 50
_CLOSE: Final = 1e-6
_LONGEST: Final = 1.0
_SURE: Final = 1e-4 * np.eye(2)
_ALL: Final = np.array([[1.0, 0.0], [-1.0, -1.0], [0.0, 1.0]])
"""Of three shares that sum to 1 two are free: how all move with the negative and the positive one."""


@dataclass(frozen=True)
class Taught:
    """prior (3,): the mix of classes under which a model's probabilities are calibrated. usual (3,): the mix that a
    brand's posts have before anybody looked, which is that of the rows that it was judged on."""

    prior: Floats
    usual: Floats

    @classmethod
    def of(cls, metrics: Mapping[str, Any]) -> Self | None:
        """As a manifest has them; None where it lacks the prior."""
        if "prior" not in metrics:
            return None
        prior = np.array(metrics["prior"], np.float64)
        found = (
            np.array(metrics["calibration"]["found"], np.float64).sum(axis=0)
            if "calibration" in metrics
            else np.ones(3)
        )
        return cls(prior, found / found.sum())


@dataclass(frozen=True)
class Shift:
    """Of T counts: shares (T, 3) of the classes, and their covariance (T, 3, 3), which knows of the bias. adapted
    (T, CELLS, 3): the probabilities as they are under these shares and the bias that was found."""

    shares: Floats
    covariance: Floats
    adapted: Floats


@dataclass(frozen=True)
class _Seen:
    """What a model says once its log odds are moved; all about negative and positive. says (T, CELLS, 2); mean (T, 2).
    The variance of one post's class, whole, and the part that is told by what is said of the post: (T, 2, 2) each."""

    says: Floats
    mean: Floats
    whole: Floats
    told: Floats

    @classmethod
    def of(cls, weights: Floats, odds: Floats, moved: Floats) -> Self:
        """weights: (T, CELLS), sum to 1; odds: (CELLS, 2) against neutral; moved: (T, 2)."""
        against = odds * np.exp(moved)[:, None]
        says = against / (1 + against.sum(axis=2, keepdims=True))
        mean = np.einsum("tg,tgk->tk", weights, says)
        apart = says - mean[:, None]
        told = (apart * weights[..., None]).transpose(0, 2, 1) @ apart
        return cls(says, mean, _whole(mean), told)


def adapt(counts: Floats, taught: Taught | None) -> Shift:
    """counts: (T, CELLS), none without posts. taught: unknown, the model's probabilities are taken as they are.

    Without any bias, and with shares that may be anything, this would be the maximum of the likelihood to which the
    expectation maximisation of Saerens, Latinne & Decaestecker goes (Neural Computation 14, 2002). It multiplies a bias
    where the model can hardly tell classes apart. With random effects: Laird & Ware, Biometrics 38 (1982); their mode,
    by Gauss-Newton steps, and the inverse of its curvature.
    """
    posts = counts.sum(axis=1)[:, None, None]
    weights = counts / posts[..., 0]
    odds = MIDDLES[:, _POLES] / MIDDLES[:, [1]]
    if taught is None:
        seen = _Seen.of(weights, odds, np.zeros((len(counts), 2)))
        unknown = seen.whole - seen.told
        return _shift(seen, seen.mean, seen.told / posts + unknown @ FAR_BIAS @ unknown)
    odds = odds / (taught.prior[_POLES] / taught.prior[1])
    weights = (weights + JOINING * _undoubted(taught.usual)) / (1 + JOINING)
    usual = _log_odds(taught.usual[_POLES][None])
    says = np.clip(weights @ MIDDLES[:, _POLES], 0.01, 0.98)
    biased = real = _log_odds(says)  # of the shares, with the model's bias and without; at first there is none
    slopes, pulls = np.zeros((len(counts), 6, 4)), np.zeros((len(counts), 6, 6))
    slopes[:, 2:4, :2], slopes[:, :, 2:] = np.eye(2), np.tile(-np.eye(2), (3, 1))
    pulls[:, 2:4, 2:4] = np.linalg.inv(BIAS)
    for _ in range(_ROUNDS):
        seen = _Seen.of(weights, odds, biased)
        narrow = np.linalg.inv(seen.whole)
        slopes[:, :2, :2] = narrow @ (seen.whole - seen.told)
        pulls[:, :2, :2] = np.linalg.inv(narrow @ seen.told @ narrow / posts + _SURE)
        off = np.concatenate([_log_odds(seen.mean) - real, biased - real, usual - real], axis=1)
        loose = _loose(usual - real)
        pulls[:, 4:, 4:] = np.linalg.inv(SPREAD) / loose
        pulled = slopes.transpose(0, 2, 1) @ pulls
        step = -np.linalg.solve(pulled @ slopes, pulled @ off[..., None])[..., 0]
        length = np.abs(step).max(axis=1, keepdims=True)
        step /= np.maximum(1, length / _LONGEST)
        biased, real = biased + step[:, :2], real + step[:, 2:]
        if float(length.max(initial=0)) < _CLOSE:
            break
    pulls[:, 2:4, 2:4], pulls[:, 4:, 4:] = np.linalg.inv(FAR_BIAS), np.linalg.inv(FAR_SPREAD) / loose
    spread = np.linalg.inv(slopes.transpose(0, 2, 1) @ pulls @ slopes)[:, 2:, 2:]
    shares = _shares(real)
    return _shift(seen, shares, _whole(shares) @ spread @ _whole(shares))


def _undoubted(shares: Floats) -> Floats:
    """(CELLS,) posts in the cell of each class where it is surest."""
    found = np.zeros(len(MIDDLES))
    found[MIDDLES.argmax(axis=0)] = shares
    return found


def _loose(away: Floats) -> Floats:
    """(T, 1, 1) how much less than a normal distribution Student's t holds what is so far away (T, 2): Lange, Little &
    Taylor, Robust statistical modeling using the t distribution, JASA 84 (1989)."""
    far = np.einsum("ti,ij,tj->t", away, np.linalg.inv(SPREAD), away)
    found: Floats = ((TAILS + far) / (TAILS + 2))[:, None, None]
    return found


def _log_odds(shares: Floats) -> Floats:
    """(T, 2) against neutral."""
    found: Floats = np.log(shares / (1 - shares.sum(axis=1, keepdims=True)))
    return found


def _shares(log_odds: Floats) -> Floats:
    odds = np.exp(log_odds)
    found: Floats = odds / (1 + odds.sum(axis=1, keepdims=True))
    return found


def _whole(shares: Floats) -> Floats:
    """(T, 2, 2): the covariance of one draw; also how shares move with their log odds."""
    return shares[:, :, None] * (np.eye(2) - shares[:, None, :])


def _shift(seen: _Seen, shares: Floats, spread: Floats) -> Shift:
    """With neutral, which is what is left."""
    return Shift(_with_neutral(shares), _ALL @ spread @ _ALL.T, _with_neutral(seen.says))


def _with_neutral(poles: Floats) -> Floats:
    return np.stack([poles[..., 0], 1 - poles.sum(axis=-1), poles[..., 1]], axis=-1)
