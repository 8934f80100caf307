"""How large the shares of negative, neutral and positive posts are, and how sure that is.

Everything comes from hourly aggregates (`overheard.aggregates`) and from audited posts: a random sample, per stratum,
that people labelled. Posts and audits are put into the same cells, so that counting in cells biases nothing.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias

import numpy as np

from overheard.aggregates import CELLS, MIDDLES, Floats, Summary, cells
from overheard.intervals import NONE, Share, Z, difference, wilson
from overheard.powered import Audits, powered
from overheard.scoring.bundle import LABELS
from overheard.shift import Shift, Taught, adapt

__all__ = ["Audits", "Estimate", "Method", "Share", "Taught", "change", "estimate", "estimate_each"]

MIN_POSTS: Final = 30
"""Fewer posts say too little, whoever reads them."""
MIN_AUDITS: Final = 20
"""With fewer, intervals of rare classes cover too seldom."""
NEARBY_WORTH: Final = 150.0
"""What was audited on other days is taken as no surer than so many audits would make it."""
Samples: TypeAlias = tuple[Audits | None, Audits | None]
"""Of the posts themselves (or of more posts, cut to these); of the brand's posts around them."""


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
    model, None without a post. posts: with a score. audits: those that were used. cells (CELLS,): the posts, None where
    they are too few."""

    shares: tuple[Share, Share, Share]
    net: Share
    raw: tuple[float, float, float] | None
    method: Method
    posts: int
    audits: int
    cells: Floats | None = field(default=None, repr=False, compare=False)

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
    taught: Taught | None = None,
) -> Estimate:
    """The shares among the posts that are counted here. See `estimate_each`."""
    return estimate_each([counted], [(audits, nearby)], taught=taught)[0]


def estimate_each(
    counted: Sequence[Summary], samples: Sequence[Samples], *, taught: Taught | None = None
) -> list[Estimate]:
    """The shares among the posts of each count, with samples of audits for each: those of posts around are used where
    those of the posts themselves are too few.

    taught: of the model that read them, as its manifest tells; without it prior shift is not corrected. A count that
    lacks cells (of an older format) has raw shares only.
    """
    enough = [place for place, one in enumerate(counted) if one.posts >= MIN_POSTS and one.moments.posts >= one.posts]
    counts = np.array([counted[place].moments.cells for place in enough]).reshape(-1, CELLS)
    shift = adapt(counts, taught)
    found = [_too_few(one, sample) for one, sample in zip(counted, samples, strict=True)]
    used = [_used(samples[place]) for place in enough]
    for sample, places in _alike(used):
        method, limit = used[places[0]][1:]
        told = _unaudited(shift, places) if sample is None else _audited(shift, places, counts[places], sample, limit)
        for place, (shares, net) in zip(places, told, strict=True):
            known = {"method": method, "audits": len(sample or ()), "cells": counts[place]}
            found[enough[place]] = replace(found[enough[place]], shares=shares, net=net, **known)
    return found


_Used: TypeAlias = tuple[Audits | None, Method, float]


def _used(samples: Samples) -> _Used:
    """Which audits, what that is called, and as no surer than how many they are taken."""
    own, nearby = samples
    if own is not None and len(own) >= MIN_AUDITS:
        return own, Method.audited, np.inf
    if nearby is not None and len(nearby) >= MIN_AUDITS:
        return nearby, Method.nearby, NEARBY_WORTH
    return None, Method.corrected, np.inf


def _alike(used: Sequence[_Used]) -> Iterator[tuple[Audits | None, list[int]]]:
    """The places where the same is used: days of a week share their audits."""
    places = defaultdict[tuple[int, Method], list[int]](list)
    for place, (sample, method, _) in enumerate(used):
        places[id(sample), method].append(place)
    return ((used[same[0]][0], same) for same in places.values())


_Told: TypeAlias = tuple[tuple[Share, Share, Share], Share]


def _audited(shift: Shift, places: list[int], counts: Floats, sample: Audits, limit: float) -> Iterator[_Told]:
    """Shares and net."""
    adapted = shift.adapted[places]
    means = np.einsum("tg,tgk->tk", counts, adapted) / counts.sum(axis=1, keepdims=True)
    found = powered(sample, adapted[:, cells(sample.probabilities)], means)
    told = _shares(found.points, 1 / (1 / found.worth + 1 / limit), found.z)
    for shares, correlation in zip(told, found.correlation.tolist(), strict=True):
        yield shares, difference(shares[2], shares[0], correlation)


def _unaudited(shift: Shift, places: list[int]) -> Iterator[_Told]:
    points, spread = shift.shares[places], shift.covariance[places]
    varies = spread.diagonal(axis1=1, axis2=2)
    correlations = spread[:, 0, 2] / np.sqrt(varies[:, 0] * varies[:, 2])
    for shares, correlation in zip(_shares(points, points * (1 - points) / varies), correlations.tolist(), strict=True):
        yield shares, difference(shares[2], shares[0], correlation)


def _too_few(counted: Summary, samples: Samples) -> Estimate:
    raw = _three(np.array(counted.called) / counted.posts) if counted.posts else None
    return Estimate((NONE,) * 3, NONE, raw, Method.too_few, counted.posts, len(samples[0] or ()))


def change(before: Estimate, after: Estimate) -> tuple[Share, Share, Share]:
    """after - before, of each class, with 95 % intervals; NONE where one of them has none.

    When both were audited, of what people said. Else of what the model says, which takes it to err alike in both: so
    a change can be told long before its posts are audited, and one of the model's version must be kept apart. A model
    that can't tell classes apart says less than what is so, never more; scaling it up was tried, and told of changes
    larger than the shares themselves.
    """
    if before.cells is None or after.cells is None:
        return NONE, NONE, NONE
    if before.method == after.method == Method.audited:
        negative, neutral, positive = map(difference, after.shares, before.shares)
    else:
        (early, one), (late, other) = map(_said, (before.cells, after.cells))
        negative, neutral, positive = map(_moved, late - early, np.sqrt(one + other))
    return negative, neutral, positive


def _said(counts: Floats) -> tuple[Floats, Floats]:
    """(3,) what a model says on average of these posts (CELLS,), and the variance (3,) that chance gives it."""
    posts = counts.sum()
    mean = counts @ MIDDLES / posts
    return mean, counts @ (MIDDLES - mean) ** 2 / posts**2


def _moved(point: float, error: float) -> Share:
    low, middle, high = np.clip([point - Z * error, point, point + Z * error], -1, 1).tolist()
    return Share(middle, low, high)


def _three(shares: Floats) -> tuple[float, float, float]:
    return float(shares[0]), float(shares[1]), float(shares[2])


def _shares(points: Floats, worth: Floats, z: float = Z) -> Iterator[tuple[Share, Share, Share]]:
    """Of T points (T, 3), which may lie a little outside of [0, 1]."""
    inside = np.clip(points, 0.0, 1.0)
    inside /= inside.sum(axis=1, keepdims=True)
    for these, worths in zip(inside.tolist(), worth.tolist(), strict=True):
        negative, neutral, positive = (wilson(point, one, z) for point, one in zip(these, worths, strict=True))
        yield negative, neutral, positive
