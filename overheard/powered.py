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
    """points (3,) sum to 1 but may lie a little outside [0, 1]. worth (3,): as sure as so many posts drawn at random.
    z: the quantile for these. correlation: of the negative and the positive share."""

    points: Floats
    worth: Floats
    z: float
    correlation: float


def powered(audits: Audits, predicted: Floats, means: Floats) -> Powered:
    """predicted (n, 3): what is predicted of the audited posts; means (3,): of all posts. Needs two audits or more."""
    strata, sizes, answered = collapsed(audits)
    weights = (sizes / answered)[strata]
    weights /= weights.sum()
    truth = np.eye(3)[audits.labels]
    both = np.concatenate([truth, predicted], axis=1)
    middle = weights @ both
    spread = covariance((both - middle) * weights[:, None], strata, sizes, answered)
    of_truth, of_both, of_predicted = spread[:3, :3], spread[:3, 3:], spread[3:, 3:]
    power, spent = _power(of_both, of_predicted, len(audits))
    errors = of_truth - power @ of_both.T - of_both @ power.T + power @ of_predicted @ power.T
    errors *= (len(audits) - 1) / (len(audits) - 1 - spent)
    points = middle[:3] + power @ (means - middle[3:])
    scale = np.sqrt(max(errors[0, 0] * errors[2, 2], 0.0))
    design = 1 / worth(truth, strata, sizes, answered)
    return Powered(
        points=points,
        worth=1 / (design * _saved(middle[:3], np.diag(of_truth), np.diag(errors), len(audits), design)),
        z=quantile(len(audits) - len(sizes) - 1),
        correlation=float(errors[0, 2] / scale) if scale > 0 else 0.0,
    )


def _power(of_both: Floats, of_predicted: Floats, count: int) -> tuple[Floats, float]:
    """How far each class follows each prediction, (3, 3), and how many degrees of freedom finding that out takes.

    Between two ways to tune: one number for all classes, as in PPI++, which few audits tell well, and a regression on
    all predictions (Sarndal et al., 6.4), which also sets right what the model takes for what. The latter counts as
    much as the audits are more than `_SETTLED`. Either way shares go on summing to 1.
    """
    size = max(float(np.trace(of_predicted)), 1e-12)
    common = np.eye(3) * np.clip(np.trace(of_both) / size, 0.0, 1.0)
    held = _SETTLED / count * size / 2
    own = (of_both - common @ of_predicted) @ np.linalg.inv(of_predicted + held * np.eye(3))
    known = np.linalg.eigvalsh(of_predicted)
    return common + own, 1 + float((known / (known + held)).sum())


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


def covariance(parts: Floats, strata: NDArray[np.int64], sizes: Floats, answered: Floats) -> Floats:
    """Of the sum of the parts (n, k) of a total, as another sample of the same design would give it: (k, k)."""
    whole: Floats = _by_stratum(parts, strata, sizes, answered).sum(axis=0)
    return whole


def _by_stratum(parts: Floats, strata: NDArray[np.int64], sizes: Floats, answered: Floats) -> Floats:
    """(H, k, k). Answers that are not of the part that is asked for count as zeros: Sarndal et al., Model assisted
    survey sampling (1992), 5.8.
    """
    order = np.argsort(strata, kind="stable")
    present, first = np.unique(strata[order], return_index=True)
    own, size, count = parts[order], sizes[present], answered[present]
    total = np.add.reduceat(own, first)
    squares = np.add.reduceat(own[:, :, None] * own[:, None, :], first)
    found = np.zeros((len(sizes), parts.shape[1], parts.shape[1]))
    left = np.maximum(0.0, 1 - count / size) * count / (count - 1)
    found[present] = left[:, None, None] * (squares - total[:, :, None] * total[:, None, :] / count[:, None, None])
    return found


def worth(truth: Floats, strata: NDArray[np.int64], sizes: Floats, answered: Floats) -> Floats:
    """(k,) as sure as so many posts drawn at random is what these answers (n, k) of 0 and 1 tell of all.

    Every stratum has `_DOUBT` answers more that are as mixed as all are: one whose few answers are alike isn't known.
    """
    drawn = np.bincount(strata, minlength=len(sizes))[:, None]
    weights = (sizes / answered / (sizes / answered)[strata].sum())[:, None]
    shares = (weights[strata] * truth).sum(axis=0)
    mixed, alike = _mixed(shares, len(truth)), shares * (1 - shares)
    own = _by_stratum((truth - shares) * weights[strata], strata, sizes, answered).diagonal(axis1=1, axis2=2)
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


def _saved(shares: Floats, of_truth: Floats, of_errors: Floats, count: int, design: Floats) -> Floats:
    """(3,) what is left of the variance with the model's help."""
    doubt = _DOUBT * _mixed(shares, count) * design
    saved: Floats = (count * of_errors + doubt) / (count * of_truth + doubt)
    return saved
