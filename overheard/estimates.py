"""How large the shares of negative, neutral and positive posts are, and how sure that is.

Everything comes from hourly aggregates (`overheard.aggregates`) and from audited posts: a random sample, per stratum,
that people labelled. Posts and audits are put into the same cells, so that counting in cells biases nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from overheard.aggregates import MIDDLES, Floats, Summary, cells
from overheard.intervals import NONE, Share, Z, difference, wilson
from overheard.powered import Audits, powered
from overheard.scoring.bundle import LABELS
from overheard.shift import adapt

__all__ = ["Audits", "Estimate", "Method", "Share", "change", "estimate"]

MIN_POSTS: Final = 30
"""Fewer posts say too little, whoever reads them."""
MIN_AUDITS: Final = 20
"""With fewer, intervals of rare classes cover too seldom."""
UNAUDITED_WORTH: Final = 40.0
"""What nobody audited is taken as no surer than so many audits would make it."""
NEARBY_WORTH: Final = 150.0
"""What was audited on other days likewise."""


class Method(StrEnum):
    """audited: people read a sample of these very posts. nearby: people read a sample of the brand's posts of other
    days, and none or too few of these. corrected: nobody read any, "not audited". too_few: no interval is valid."""

    audited = "audited"
    nearby = "nearby"
    corrected = "corrected"
    too_few = "too_few"


@dataclass(frozen=True)
class Estimate:
    """shares: of negative, neutral, positive; they sum to 1. net: positive less negative. raw (3,): as called by the
    model, None without a post. model: as the model reads them, corrected for prior shift, with the interval that
    chance alone gives: what it errs always is not in it. posts: with a score. audits: those that were used."""

    shares: tuple[Share, Share, Share]
    net: Share
    raw: tuple[float, float, float] | None
    model: tuple[Share, Share, Share]
    method: Method
    posts: int
    audits: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON: shares by name."""
        raw = dict(zip(LABELS, self.raw, strict=True)) if self.raw else None
        shares = {name: share.as_dict() for name, share in zip(LABELS, self.shares, strict=True)}
        about = {"method": str(self.method), "posts": self.posts, "audits": self.audits}
        return {**about, "shares": shares, "net": self.net.as_dict(), "raw": raw}


def estimate(
    counted: Summary,
    audits: Audits | None = None,
    nearby: Audits | None = None,
    *,
    prior: Sequence[float] | None = None,
) -> Estimate:
    """The shares among the posts that are counted here.

    audits: a sample of these posts (or of more posts, cut to these). nearby: of the brand's posts around them, used
    where `audits` are too few. prior (3,): the mix of classes under which the model's probabilities are calibrated;
    without it prior shift is not corrected. A count that lacks cells (of an older format) has raw shares only.
    """
    posts, cells_of = counted.posts, counted.moments.cells
    raw = _three(np.array(counted.called) / posts) if posts else None
    if posts < MIN_POSTS or counted.moments.posts < posts:
        return Estimate((NONE,) * 3, NONE, raw, (NONE,) * 3, Method.too_few, posts, len(audits or ()))
    shift = adapt(MIDDLES, cells_of, np.array(prior) if prior is not None else None)
    model = _shares(shift.shares, shift.worth)
    for sample, method, limit in ((audits, Method.audited, np.inf), (nearby, Method.nearby, NEARBY_WORTH)):
        if sample is not None and len(sample) >= MIN_AUDITS:
            found = powered(sample, shift.adapted[cells(sample.probabilities)], shift.shares)
            shares = _shares(found.points, 1 / (1 / found.worth + 1 / limit), found.z)
            net = difference(shares[2], shares[0], found.correlation)
            return Estimate(shares, net, raw, model, method, posts, len(sample))
    shares = _shares(shift.shares, 1 / (1 / shift.worth + 1 / UNAUDITED_WORTH))
    return Estimate(shares, difference(shares[2], shares[0], shift.correlation), raw, model, Method.corrected, posts, 0)


def change(before: Estimate, after: Estimate) -> tuple[Share, Share, Share]:
    """after - before, of each class, with 95 % intervals; NONE where one of them has none.

    When both were audited, of what people said. Else of what the model read, which takes it to err alike in both: so
    a change can be told long before its posts are audited, and one of the model's version must be kept apart.
    """
    is_audited = before.method == after.method == Method.audited
    old, new = (before.shares, after.shares) if is_audited else (before.model, after.model)
    negative, neutral, positive = (difference(late, early) for late, early in zip(new, old, strict=True))
    return negative, neutral, positive


def _three(shares: Floats) -> tuple[float, float, float]:
    return float(shares[0]), float(shares[1]), float(shares[2])


def _shares(points: Floats, worth: Floats, z: float = Z) -> tuple[Share, Share, Share]:
    inside = np.clip(points, 0.0, 1.0)
    inside /= inside.sum()
    negative, neutral, positive = (wilson(float(p), float(n), z) for p, n in zip(inside, worth, strict=True))
    return negative, neutral, positive
