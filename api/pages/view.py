"""What an address of the overview asks for: a brand's period and source, cut into stretches that have enough posts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, Self
from zoneinfo import ZoneInfo

from flask import request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.pages import zones
from overheard.estimates import MIN_POSTS
from overheard.store import series
from overheard.store.series import Step
from overheard.store.tables.counts import Hour

ENOUGH: Final = 1.5 * MIN_POSTS
"""So many posts a stretch should have on average: few then have too few for an interval."""


@dataclass(frozen=True)
class Period:
    """So many hours or days up to now, and how many of them a stretch may have."""

    name: str
    before: str
    count: int
    unit: Step
    lengths: tuple[int, ...]


HOURS: Final = (1, 2, 3, 6, 12, 24)
DAYS: Final = (1, 2, 3, 7, 14, 28)
PERIODS: Final[Mapping[str, Period]] = {
    "1": Period("24 hours", "the 24 hours before", 24, Step.hour, HOURS),
    "7": Period("7 days", "the 7 days before", 7, Step.day, DAYS[:4]),
    "30": Period("30 days", "the 30 days before", 30, Step.day, DAYS),
    "90": Period("90 days", "the 90 days before", 90, Step.day, DAYS),
    "365": Period("A year", "the year before", 365, Step.day, DAYS[3:]),
}
DEFAULT: Final = "30"


@dataclass(frozen=True)
class View:
    """chosen: a key of PERIODS. source: empty for all. units: the times at which hours or days begin, and now's ends.

    length: how many of them a stretch has; the first stretch may be shorter.
    """

    chosen: str
    source: str
    units: tuple[datetime, ...]
    length: int = 1

    @classmethod
    def of_request(cls, now: datetime) -> Self:
        """What the address does not say, or says wrongly, is as by default."""
        chosen = request.args.get("period", DEFAULT)
        chosen = chosen if chosen in PERIODS else DEFAULT
        return cls(chosen, request.args.get("source", "")[:32], _units(PERIODS[chosen], now, zones.of_reader()))

    @property
    def period(self) -> Period:
        return PERIODS[self.chosen]

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

    @property
    def times(self) -> list[datetime]:
        """Where stretches begin, and where the last one ends."""
        times = list(self.units[:: -self.length])[::-1]
        return times if times[0] == self.since else [self.since, *times]

    @property
    def stretch(self) -> str:
        """How long one is, in words."""
        unit = self.period.unit.value
        return unit if self.length == 1 else f"{self.length} {unit}s"

    def cut(self, session: Session, brand_id: int) -> Self:
        """With stretches as short as they may be for the brand's posts."""
        within = [Hour.brand_id == brand_id, Hour.hour >= self.since, Hour.hour < self.until]
        if self.source:
            within.append(Hour.source == self.source)
        posts, first = session.execute(select(func.sum(Hour.posts), func.min(Hour.hour)).where(*within)).one()
        heard = sum(until > first for _, until in pairwise(self.units)) if first else 0
        rate = (posts or 0) / max(1, heard)
        lengths = self.period.lengths
        return replace(self, length=next((length for length in lengths if length * rate >= ENOUGH), lengths[-1]))


def _units(period: Period, now: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The last one is under way."""
    back = timedelta(hours=period.count - 1) if period.unit == Step.hour else timedelta(days=period.count - 1)
    since = now - back if period.unit == Step.hour else now.astimezone(zone) - back
    return tuple(series.edges(since, now, period.unit, zone))
