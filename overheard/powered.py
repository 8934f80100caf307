"""Shares from a stratified sample of labelled posts, made surer by what a model says of all posts.

Prediction-powered inference: Angelopoulos et al., Science 382 (2023); tuned for power: Angelopoulos, Duchi & Zrnic,
PPI++ (2023). In surveys it has long been known as the difference estimator: Cochran, Sampling techniques (1977).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from overheard.aggregates import Floats
from overheard.intervals import quantile

_DOUBT: Final = 4.0
"""Audits' worth of doubt, about the square of the normal quantile: so many say that the model is of no help, and that a
class is neither rare nor common. Without it ten audits that lack a class would make its share seem known."""

_SETTLED: Final = 10.0
"""Audits from which on a tuning for each class and prediction is believed more than one for all together."""


@dataclass(frozen=True)
class Audits:
    """A stratified random sample of posts with people's labels, possibly of one part (a day, a source) of the strata.

    probabilities (n, 3) by the model that read these posts; labels (n,) of 0, 1, 2; strata (n,): each post's place in
    `sizes`. sizes (H,): posts of each stratum. answered (H,): how many of a stratum were drawn at random and labelled,
    whether they are of the part or not; posts of which nobody could tell are taken as not drawn.
    """

    probabilities: Floats
    labels: NDArray[np.int64]
    strata: NDArray[np.int64]
    sizes: NDArray[np.int64]
    answered: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Powered:
    """Of T kinds of posts. points (T, 3) sum to 1 but may lie a little outside [0, 1]. worth (T, 3): as sure as so many
    posts drawn at random. correlation (T,): of the negative and the positive share. z: the quantile for all of them."""

    points: Floats
    worth: Floats
    correlation: Floats
    z: float


def powered(audits: Audits, predicted: Floats, means: Floats) -> Powered:
    """predicted (T, n, 3): what is predicted of the audited posts; means (T, 3): of all posts of each kind that they
    speak of, days for example. Needs two audits or more."""
    strata, sizes, answered = collapsed(audits)
    weights = (sizes / answered)[strata]
    weights /= weights.sum()
    truth, count = np.eye(3)[audits.labels], len(audits)
    shares, expected = weights @ truth, weights @ predicted
    own, likely = (truth - shares) * weights[:, None], (predicted - expected[:, None]) * weights[:, None]
    of_truth, of_both, of_predicted = (
        covariance(one, other, strata, sizes, answered) for one, other in ((own, own), (own, likely), (likely, likely))
    )
    power, spent = _power(of_both, of_predicted, count)
    helped = power @ of_both.transpose(0, 2, 1)
    errors = of_truth - helped - helped.transpose(0, 2, 1) + power @ of_predicted @ power.transpose(0, 2, 1)
    errors *= ((count - 1) / (count - 1 - spent))[:, None, None]
    left, design = errors.diagonal(axis1=1, axis2=2), 1 / worth(truth, strata, sizes, answered)
    doubt = _DOUBT * _mixed(shares, count) * design
    scale = np.sqrt(np.maximum(left[:, 0] * left[:, 2], 1e-24))
    return Powered(
        points=shares + (power @ (means - expected)[..., None])[..., 0],
        worth=1 / np.maximum(design * (count * left + doubt) / (count * np.diag(of_truth) + doubt), 1e-12),
        correlation=np.clip(errors[:, 0, 2] / scale, -1, 1),
        z=quantile(count - len(sizes) - 1),
    )


def _power(of_both: Floats, of_predicted: Floats, count: int) -> tuple[Floats, Floats]:
    """How far each class follows each prediction, (T, 3, 3), and how many degrees of freedom finding that out takes.

    Between two ways to tune: one number for all classes, as in PPI++, which few audits tell well, and a regression on
    all predictions (Sarndal et al., 6.4), which also sets right what the model takes for what. The latter counts as
    much as the audits are more than `_SETTLED`. Either way shares go on summing to 1.
    """
    size = np.maximum(of_predicted.trace(axis1=1, axis2=2), 1e-12)
    common = np.eye(3) * np.clip(of_both.trace(axis1=1, axis2=2) / size, 0.0, 1.0)[:, None, None]
    held = _SETTLED / count * size / 2
    own = (of_both - common @ of_predicted) @ np.linalg.inv(of_predicted + np.eye(3) * held[:, None, None])
    known = np.linalg.eigvalsh(of_predicted)
    return common + own, 1 + (known / (known + held[:, None])).sum(axis=1)


def collapsed(audits: Audits) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Strata with fewer than two answers tell no variance: they are put together, with the largest if need be."""
    sizes, answered = audits.sizes.astype(np.float64), audits.answered.astype(np.float64)
    order = np.argsort(answered, kind="stable")
    small = answered < 2
    while small.any() and answered[small].sum() < 2 and not small.all():
        small[order[int(small.sum())]] = True
    place = np.where(small, 0, np.cumsum(~small) - (0 if small.any() else 1))
    together = [np.bincount(place, weights).astype(np.float64) for weights in (sizes, answered)]
    return place[audits.strata], together[0], together[1]


def covariance(one: Floats, other: Floats, strata: NDArray[np.int64], sizes: Floats, answered: Floats) -> Floats:
    """Of the sums of two parts (…, n, k) and (…, n, m) of totals, as another sample of the same design would give it:
    (…, k, m). Answers that are not of the part that is asked for count as zeros: Sarndal et al., Model assisted survey
    sampling (1992), 5.8.
    """
    factors = _factors(sizes, answered)
    totals = [_by_stratum(parts, strata, len(sizes)) for parts in (factors[strata][:, None] * one, other)]
    whole: Floats = (factors[strata][:, None] * one).swapaxes(-1, -2) @ other
    return whole - (totals[0] / answered[:, None]).swapaxes(-1, -2) @ totals[1]


def _by_stratum(parts: Floats, strata: NDArray[np.int64], count: int) -> Floats:
    """Sums of parts (…, n, k): (…, count, k)."""
    order = np.argsort(strata, kind="stable")
    present, first = np.unique(strata[order], return_index=True)
    found = np.zeros((*parts.shape[:-2], count, parts.shape[-1]))
    found[..., present, :] = np.add.reduceat(parts[..., order, :], first, axis=-2)
    return found


def _factors(sizes: Floats, answered: Floats) -> Floats:
    """(H,) a stratum that is known as a whole has no variance."""
    return np.maximum(0.0, 1 - answered / sizes) * answered / (answered - 1)


def worth(truth: Floats, strata: NDArray[np.int64], sizes: Floats, answered: Floats) -> Floats:
    """(k,) as sure as so many posts drawn at random is what these answers (n, k) of 0 and 1 tell of all.

    Every stratum has `_DOUBT` answers more that are as mixed as all are: one whose few answers are alike isn't known.
    """
    drawn = np.bincount(strata, minlength=len(sizes))[:, None]
    weights = (sizes / answered / (sizes / answered)[strata].sum())[:, None]
    shares = (weights[strata] * truth).sum(axis=0)
    mixed, alike = _mixed(shares, len(truth)), shares * (1 - shares)
    parts = (truth - shares) * weights[strata]
    squares, totals = (_by_stratum(some, strata, len(sizes)) for some in (parts**2, parts))
    own = _factors(sizes, answered)[:, None] * (squares - totals**2 / answered[:, None])
    left = np.maximum(0.0, 1 - answered / sizes)[:, None]
    varies = (drawn * own + _DOUBT * left * weights**2 * drawn * mixed) / (drawn + _DOUBT)
    of_one = weights * drawn * (drawn * alike + _DOUBT * mixed) / (drawn + _DOUBT)
    found: Floats = of_one.sum(axis=0) / np.maximum(varies.sum(axis=0), 1e-12)
    return found


def _mixed(shares: Floats, count: int) -> Floats:
    """The variance of one post, of which some answers tell and _DOUBT more that know of no class which is rare."""
    calm = (shares * count + _DOUBT / 2) / (count + _DOUBT)
    mixed: Floats = calm * (1 - calm)
    return mixed
