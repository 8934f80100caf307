"""What an address of the overview asks for: a brand's period and posts, in points that rest on enough of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo

from flask import request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.pages import zones
from overheard.estimates import MIN_POSTS
from overheard.store import series, shares
from overheard.store.series import Filters, Point, Step
from overheard.store.shares import Estimated
from overheard.store.tables.counts import Hour

ENOUGH: Final = 2 * MIN_POSTS
"""So many posts a point should rest on, on average: few points then have too few for an interval."""
SIZES: Final = {Step.hour: timedelta(hours=1), Step.day: timedelta(days=1), Step.week: timedelta(days=7)}


@dataclass(frozen=True)
class Period:
    """So many units up to now, of which the last is under way. lengths: on how many a point may rest."""

    name: str
    before: str
    count: int
    unit: Step
    lengths: tuple[int, ...]


PERIODS: Final[Mapping[str, Period]] = {
    "1": Period("24 hours", "the 24 hours before", 24, Step.hour, (1, 2, 3, 4, 6, 12)),
    "7": Period("7 days", "the 7 days before", 7, Step.day, (1, 2, 3, 4, 5, 7)),
    "30": Period("30 days", "the 30 days before", 30, Step.day, (1, 2, 3, 4, 5, 7, 10, 14)),
    "90": Period("90 days", "the 90 days before", 90, Step.day, (1, 2, 3, 5, 7, 14, 28)),
    "365": Period("A year", "the year before", 52, Step.week, (1, 2, 4, 8)),
}
MONTH, WEEK = "30", "7"


@dataclass(frozen=True)
class View:
    """chosen: a key of PERIODS. source, language: empty for all. units: the times at which hours, days or weeks begin,
    and where the last one ends. length: a point rests on so many of them, the last of which is its own."""

    chosen: str
    default: str
    source: str
    language: str
    units: tuple[datetime, ...]
    zone: ZoneInfo
    length: int = 1

    @classmethod
    def of_request(cls, session: Session, brand_id: int, now: datetime) -> Self:
        """What the address does not say, or says wrongly, is as by default: a month, or a week of a brand that was
        first heard of lately, so that there is a week before to compare with."""
        source, language = request.args.get("source", "")[:32], request.args.get("language", "")[:8]
        zone = zones.of_reader()
        first = session.scalar(select(func.min(Hour.hour)).where(Hour.brand_id == brand_id))
        default = MONTH if first and first < now - timedelta(days=int(MONTH)) else WEEK
        chosen = request.args.get("period", default)
        chosen = chosen if chosen in PERIODS else default
        view = cls(chosen, default, source, language, _units(PERIODS[chosen], now, zone), zone)
        return replace(view, length=view._length(session, brand_id, first))

    @property
    def period(self) -> Period:
        return PERIODS[self.chosen]

    @property
    def filters(self) -> Filters:
        return self.source or None, self.language or None

    @property
    def since(self) -> datetime:
        return self.units[0]

    @property
    def until(self) -> datetime:
        return self.units[-1]

    @property
    def before(self) -> datetime:
        """Where the period before begins, which is as long."""
        return self.since - (self.until - self.since)

    def _length(self, session: Session, brand_id: int, first: datetime | None) -> int:
        posts = series.count(session, brand_id, self.since, self.until, self.filters)
        heard = (self.until - max(self.since, first or self.since)) / SIZES[self.period.unit]
        lengths = self.period.lengths
        return next((length for length in lengths if length * posts >= ENOUGH * max(heard, 1)), lengths[-1])

    def read(self, session: Session, brand_id: int) -> tuple[list[Estimated], list[Point], Estimated]:
        """What the point of each unit rests on, each unit, and the whole period."""
        earlier = self.since - (self.length - 1) * SIZES[self.period.unit]
        times = series.edges(earlier, self.until, self.period.unit, self.zone)[-len(self.units) - self.length + 1 :]
        units = series.read(session, brand_id, times, *self.filters)
        points, total = shares.rolling(session, brand_id, units, self.length, *self.filters)
        return points, units[self.length - 1 :], total


def _units(period: Period, now: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    back = (period.count - 1) * SIZES[period.unit]
    since = now - back if period.unit == Step.hour else now.astimezone(zone) - back
    return tuple(series.edges(since, now, period.unit, zone))
