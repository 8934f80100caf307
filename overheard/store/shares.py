"""A brand's shares over time, each with how sure it is: hourly counts, and what people said of a sample."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from sqlalchemy.orm import Session

from overheard.aggregates import HOUR, Moments, Summary
from overheard.estimates import MIN_AUDITS, Audits, Estimate, Samples, Taught
from overheard.remembered import remembered
from overheard.store import audited, models, series
from overheard.store.audited import Audited
from overheard.store.series import Point
from overheard.store.tables.base import EPOCH

WEEK: Final = timedelta(days=7)
NEAR: Final = timedelta(days=28)
"""A model errs today about as it did so long ago."""
COVERED: Final = 0.6
"""Share of the posts that draws must have reached for an audit to count as one of these posts, as far as can be told:
twenty audits tell it to a fifth or so."""


class Estimated(NamedTuple):
    """What was counted, and what the shares are believed to be."""

    point: Point
    estimate: Estimate


def read(
    session: Session,
    brand_id: int,
    times: Sequence[datetime],
    source: str | None = None,
    language: str | None = None,
) -> tuple[list[Estimated], Estimated]:
    """A point between each two times, and all of them as one. source: of one platform only; language: in one only."""
    units = series.read(session, brand_id, times, source, language)
    return rolling(session, brand_id, units, 1, source, language)


def rolling(
    session: Session,
    brand_id: int,
    units: Sequence[Point],
    length: int,
    source: str | None = None,
    language: str | None = None,
) -> tuple[list[Estimated], Estimated]:
    """Of each unit, and as many before it as make `length` of them; and of all from the first that has so many on."""
    points = [together(units[end - length : end]) for end in range(length, len(units) + 1)]
    total = together(units[length - 1 :])
    people = audited.read(session, brand_id, points[0].since - NEAR - WEEK, total.until + NEAR + WEEK)
    versions = {version for point in (*points, total) for version in point.versions}
    taught = {version: Taught.of(told) for version, told in models.metrics(session, versions).items()}
    *found, whole = _estimated((*points, total), taught, _sampling(people, source, language))
    return found, whole


def together(points: Sequence[Point]) -> Point:
    """As one, from the first to the last."""
    if len(points) == 1:
        return points[0]
    counted, versions = [point.counted for point in points], dict[str, int]()
    for point in points:
        versions |= {version: versions.get(version, 0) + posts for version, posts in point.versions.items()}
    called, sums = (np.sum([getattr(one, name) for one in counted], axis=0) for name in ("called", "sums"))
    scored = sum(one.posts for one in counted)
    moments = Moments(
        np.sum([one.moments.by_called for one in counted], axis=0),
        np.sum([one.moments.cells for one in counted], axis=0),
    )
    return Point(
        since=points[0].since,
        until=points[-1].until,
        posts=sum(point.posts for point in points),
        scored=scored,
        reach=sum(point.reach for point in points),
        called={name: sum(point.called[name] for point in points) for name in points[0].called},
        means=dict(zip(points[0].called, (sums / scored).tolist(), strict=True)) if scored else None,
        is_complete=all(point.is_complete for point in points),
        counted=Summary(scored, tuple(called.tolist()), tuple(sums.tolist()), moments),
        versions=dict(sorted(versions.items(), key=lambda version: -version[1])),
    )


def _estimated(
    points: Sequence[Point], taught: Mapping[str, Taught | None], sampled: Callable[[Point], Samples]
) -> Iterator[Estimated]:
    """Points that one version read most of are estimated together."""
    mostly = [taught.get(next(iter(point.versions), "")) for point in points]
    samples = [sampled(point) for point in points]
    found = dict[int, Estimate]()
    for one in {id(one): one for one in mostly}.values():
        places = [place for place, other in enumerate(mostly) if other is one]
        told = remembered([points[place].counted for place in places], [samples[place] for place in places], one)
        found |= zip(places, told, strict=True)
    return (Estimated(point, found[place]) for place, point in enumerate(points))


def _sampling(people: Audited, source: str | None, language: str | None) -> Callable[[Point], Samples]:
    @cache
    def around(first: int, last: int) -> Audits:
        """Of whole weeks: their days share them, so what these tell is worked out once."""
        since, until = EPOCH + first * WEEK - NEAR, EPOCH + (last + 1) * WEEK + NEAR
        nearby = people.between(since, until, source, language)
        return nearby if len(nearby) >= MIN_AUDITS else people.between(since, until)

    def samples(point: Point) -> Samples:
        within = people.within(point.since, point.until, source, language)
        if within.sum() >= MIN_AUDITS:
            own = people.cut(within)
            if _reached(own) >= COVERED * point.scored:
                return own, None
        return None, around((point.since - EPOCH) // WEEK, (point.until - EPOCH - HOUR) // WEEK)

    return samples


def _reached(audits: Audits) -> float:
    """About how many posts there were of what these stand for."""
    return float((audits.sizes / audits.answered)[audits.strata].sum())
