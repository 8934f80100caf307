"""Shares from a stratified sample of labelled posts, made surer by what a model says of all posts.

Prediction-powered inference: Angelopoulos et al., Science 382 (2023); tuned for power: Angelopoulos, Duchi & Zrnic,
PPI++ (2023). In surveys it has long been known as the difference estimator: Cochran, Sampling techniques (1977).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

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


class Summed(NamedTuple):
    """parts (…, n, k), each of an answer; sums (…, H, k), by stratum."""

    parts: Floats
    sums: Floats


@dataclass(frozen=True)
class Strata:
    """Of answers: of (n,) each one's place in sizes and answered (H,), which are as `Audits` has them."""

    of: NDArray[np.int64]
    sizes: Floats
    answered: Floats

    @cached_property
    def _weights(self) -> Floats:
        """(H,) of how many posts an answer of each stratum speaks."""
        each = self.sizes / self.answered
        found: Floats = each / each[self.of].sum()
        return found

    @cached_property
    def weights(self) -> Floats:
        """(n,) of how many posts each answer speaks; they sum to 1."""
        return self._weights[self.of]

    @cached_property
    def _factors(self) -> Floats:
        """(H,) a stratum that is known as a whole has no variance."""
        return np.maximum(0.0, 1 - self.answered / self.sizes) * self.answered / (self.answered - 1)

    @cached_property
    def _runs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """An order in which answers of a stratum lie together; the strata that have any, and where each begins."""
        order = np.argsort(self.of, kind="stable")
        return order, *np.unique(self.of[order], return_index=True)

    def summed(self, parts: Floats) -> Summed:
        """parts: (…, n, k)."""
        order, present, first = self._runs
        found = np.zeros((*parts.shape[:-2], len(self.sizes), parts.shape[-1]))
        found[..., present, :] = np.add.reduceat(parts[..., order, :], first, axis=-2)
        return Summed(parts, found)

    def covariance(self, one: Summed, other: Summed) -> Floats:
        """(…, k, m) of the totals of both, as another sample of the same design would give them.

        Answers that are not of the part that is asked for count as zeros: Sarndal et al., Model assisted survey
        sampling (1992), 5.8.
        """
        whole: Floats = (self._factors[self.of][:, None] * one.parts).swapaxes(-1, -2) @ other.parts
        return whole - ((self._factors / self.answered)[:, None] * one.sums).swapaxes(-1, -2) @ other.sums

    def worth(self, truth: Floats) -> Floats:
        """(k,) as sure as so many posts drawn at random is what these answers (n, k) of 0 and 1 tell of all.

        Every stratum has `_DOUBT` answers more that are as mixed as all are: whose few answers are alike isn't known.
        """
        drawn = np.bincount(self.of, minlength=len(self.sizes))[:, None]
        weights = self._weights[:, None]
        shares = (self.weights[:, None] * truth).sum(axis=0)
        mixed, alike = _mixed(shares, len(truth)), shares * (1 - shares)
        parts = (truth - shares) * self.weights[:, None]
        squares, totals = (self.summed(some).sums for some in (parts**2, parts))
        own = self._factors[:, None] * (squares - totals**2 / self.answered[:, None])
        left = np.maximum(0.0, 1 - self.answered / self.sizes)[:, None]
        varies = (drawn * own + _DOUBT * left * weights**2 * drawn * mixed) / (drawn + _DOUBT)
        of_one = weights * drawn * (drawn * alike + _DOUBT * mixed) / (drawn + _DOUBT)
        found: Floats = of_one.sum(axis=0) / np.maximum(varies.sum(axis=0), 1e-12)
        return found


def powered(audits: Audits, predicted: Floats, means: Floats) -> Powered:
    """predicted (T, n, 3): what is predicted of the audited posts; means (T, 3): of all posts of each kind that they
    speak of, days for example. Needs two audits or more."""
    strata, count = collapsed(audits), len(audits)
    truth, weights = np.eye(3)[audits.labels], strata.weights
    shares, expected = weights @ truth, weights @ predicted
    parts = ((truth - shares) * weights[:, None], (predicted - expected[:, None]) * weights[:, None])
    own, likely = map(strata.summed, parts)
    of_truth, of_both, of_predicted = (
        strata.covariance(one, other) for one, other in ((own, own), (own, likely), (likely, likely))
    )
    power, spent = _power(of_both, of_predicted, count)
    helped = power @ of_both.transpose(0, 2, 1)
    errors = of_truth - helped - helped.transpose(0, 2, 1) + power @ of_predicted @ power.transpose(0, 2, 1)
    errors *= ((count - 1) / (count - 1 - spent))[:, None, None]
    left, design = errors.diagonal(axis1=1, axis2=2), 1 / strata.worth(truth)
    doubt = _DOUBT * _mixed(shares, count) * design
    scale = np.sqrt(np.maximum(left[:, 0] * left[:, 2], 1e-24))
    return Powered(
        points=shares + (power @ (means - expected)[..., None])[..., 0],
        worth=1 / np.maximum(design * (count * left + doubt) / (count * np.diag(of_truth) + doubt), 1e-12),
        correlation=np.clip(errors[:, 0, 2] / scale, -1, 1),
        z=quantile(count - len(strata.sizes) - 1),
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


def collapsed(audits: Audits) -> Strata:
    """Strata with fewer than two answers tell no variance: they are put together, with the largest if need be."""
    sizes, answered = audits.sizes.astype(np.float64), audits.answered.astype(np.float64)
    order = np.argsort(answered, kind="stable")
    small = answered < 2
    while small.any() and answered[small].sum() < 2 and not small.all():
        small[order[int(small.sum())]] = True
    place = np.where(small, 0, np.cumsum(~small) - (0 if small.any() else 1))
    together = [np.bincount(place, weights).astype(np.float64) for weights in (sizes, answered)]
    return Strata(place[audits.strata], together[0], together[1])


def _mixed(shares: Floats, count: int) -> Floats:
    """The variance of one post, of which some answers tell and _DOUBT more that know of no class which is rare."""
    calm = (shares * count + _DOUBT / 2) / (count + _DOUBT)
    mixed: Floats = calm * (1 - calm)
    return mixed
