"""A brand's posts over time, from the hourly counts alone: as fast for ten million posts as for ten."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import groupby, pairwise
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import ColumnElement, Integer, LargeBinary, case, func, literal, select, type_coerce
from sqlalchemy.orm import Session

from overheard.aggregates import HOUR, Moments, Summary, summary
from overheard.scoring.bundle import LABELS
from overheard.store import quarters
from overheard.store.dialect import concatenated
from overheard.store.tables.base import EPOCH
from overheard.store.tables.counts import Hour, Quarter
from overheard.store.tables.heard import Feed, Gap

MAX_STEPS: Final = 1500
_NOTHING: Final = summary(np.zeros((0, 3))).moments.pack()
"""What a row without posts would keep: all rows' moments are of one size, unless they are of an older format."""
Filters: TypeAlias = tuple[str | None, str | None]
"""A source and a language; None for all."""


class Step(StrEnum):
    """How long a point of a series is. Days begin at midnight of its time zone, weeks on Mondays."""

    hour = "hour"
    day = "day"
    week = "week"


@dataclass(frozen=True)
class Point:
    """What was said from `since` to `until`. scored: posts with a score, counted further in `counted`. called: by the
    most probable class; means: of the probabilities, None without a scored post. is_complete: no feed of the brand has
    a gap in it. versions: how many posts which model has read last."""

    since: datetime
    until: datetime
    posts: int
    scored: int
    reach: int
    called: dict[str, int]
    means: dict[str, float] | None
    is_complete: bool
    counted: Summary
    versions: dict[str, int]


@dataclass(frozen=True)
class Missing:
    """A stretch of time of which a feed of this source does not know everything, and why."""

    source: str
    since: datetime
    until: datetime
    reason: str


def edges(since: datetime, until: datetime, step: Step, zone: ZoneInfo) -> list[datetime]:
    """The times at which points begin, and where the last one ends: the first contains `since`, the last `until`.

    Counts are hourly (UTC): in a zone that is half an hour off, a day begins with the hour that its midnight is in.
    Raises ValueError when there are more than MAX_STEPS.
    """
    if step == Step.hour:
        first, length = since.replace(minute=0, second=0, microsecond=0), HOUR
        count = max(1, -(-(until - first) // length))
        _check(count)
        return [first + place * length for place in range(count + 1)]
    days = 7 if step == Step.week else 1
    begin = since.astimezone(zone).date()
    begin -= timedelta(days=begin.weekday() if step == Step.week else 0)
    end = (until - timedelta(microseconds=1)).astimezone(zone).date()
    count = max(1, (end - begin).days // days + 1)
    _check(count)
    return [_midnight(begin + timedelta(days=days * place), zone) for place in range(count + 1)]


def _check(count: int) -> None:
    if count > MAX_STEPS:
        raise ValueError(f"{count:,} points are too many (at most {MAX_STEPS:,}): take longer steps or less time")


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    at = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(ZoneInfo("UTC"))
    return at.replace(minute=0)


def read(
    session: Session,
    brand_id: int,
    times: Sequence[datetime],
    source: str | None = None,
    language: str | None = None,
) -> list[Point]:
    """A point between each two times. source: of one platform only; language: in one language only."""
    found: dict[int, list[Any]] = defaultdict(list)
    for first, last, hours in _stretches(times):
        for table, within in quarters.covering(times[first], times[last], hours * HOUR):
            begin = (times[first] - EPOCH) // HOUR
            place = ((type_coerce(table.hour, Integer) - begin) // hours + first).label("place")
            own = (*mine(table, brand_id, (source, language)), *within)
            rows = select(place, table.model, *_columns(session, table)).where(*own)
            for at, *sums in session.execute(rows.group_by(place, table.model)):
                found[at].append(sums)
    missing = gaps(session, brand_id, times[0], times[-1], source)
    return [_point(span, found.get(place, []), missing) for place, span in enumerate(pairwise(times))]


def count(session: Session, brand_id: int, since: datetime, until: datetime, of: Filters = (None, None)) -> int:
    """Posts, whether scored or not."""
    return sum(
        session.scalar(select(func.sum(table.posts)).where(*mine(table, brand_id, of), *within)) or 0
        for table, within in quarters.covering(since, until)
    )


def mine(table: type[Hour] | type[Quarter], brand_id: int, of: Filters) -> Iterator[ColumnElement[bool]]:
    """Which rows are of the brand, and of the source and language that are asked for."""
    yield table.brand_id == brand_id
    yield from (column == one for column, one in zip((table.source, table.language), of, strict=True) if one)


def _columns(session: Session, table: type[Hour] | type[Quarter]) -> Iterator[Any]:
    """What is asked of a group of rows."""
    yield from (func.sum(getattr(table, name)).label(name) for name in quarters.SUMS)
    known = case((func.length(table.moments) == len(_NOTHING), table.moments), else_=literal(b"", LargeBinary))
    yield concatenated(session, known).label("moments")


def _stretches(times: Sequence[datetime]) -> Iterator[tuple[int, int, int]]:
    """Points of one length in a row, as (place of the first time, of the last, hours): clocks change twice a year."""
    lengths = [(until - since) // HOUR for since, until in pairwise(times)]
    first = 0
    for hours, same in groupby(lengths):
        last = first + len(list(same))
        yield first, last, hours
        first = last


def _point(span: tuple[datetime, datetime], rows: list[Any], missing: list[Missing]) -> Point:
    """rows: of a model, the sums of some hours as `_columns` names them, and their moments."""
    since, until = span
    models, *sums, moments = zip(*rows, strict=True) if rows else [()] * (len(quarters.SUMS) + 2)
    total = dict(zip(quarters.SUMS, map(sum, sums), strict=True))
    versions = dict[str, int]()
    for model, posts in zip(models, sums[0], strict=True):
        if model:
            versions[model] = versions.get(model, 0) + int(posts)
    scored = sum(versions.values())
    called = {name: int(total[f"called_{name}"]) for name in LABELS}
    added = {name: total[f"sum_{name}"] for name in LABELS}
    return Point(
        since,
        until,
        posts=int(total["posts"]),
        scored=scored,
        reach=int(total["reach"]),
        called=called,
        means={name: one / scored for name, one in added.items()} if scored else None,
        is_complete=not any(gap.since < until and gap.until > since for gap in missing),
        counted=Summary(scored, tuple(called.values()), tuple(added.values()), _added(moments)),
        versions=dict(sorted(versions.items(), key=lambda version: -version[1])),
    )


def _added(packed: Sequence[bytes | None]) -> Moments:
    """The sum of rows' moments."""
    numbers = np.frombuffer(b"".join(one or b"" for one in packed), "<f4").reshape(-1, len(_NOTHING) // 4)
    return Moments.unpack([numbers.sum(axis=0).tobytes()]).sum()


def gaps(session: Session, brand_id: int, since: datetime, until: datetime, source: str | None = None) -> list[Missing]:
    """Of the brand's feeds, where they reach into this time, the oldest first."""
    open_gaps = select(Feed.source, Gap.since, Gap.until, Gap.reason).join(Feed, Feed.id == Gap.feed_id)
    mine = (Feed.brand_id == brand_id, Gap.filled_at.is_(None), Gap.since < until, Gap.until > since)
    query = open_gaps.where(*mine).order_by(Gap.since, Gap.id)
    if source:
        query = query.where(Feed.source == source)
    return [Missing(*row) for row in session.execute(query)]
