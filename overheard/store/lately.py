"""What each feed brought lately: posts per day, and when the newest was written."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from overheard.store.tables.heard import Gap, Mention

MOST_GAPS: Final = 300


@dataclass(frozen=True)
class Brought:
    """days: posts between each two of the times asked for, by when they were written. newest_at: of the newest."""

    days: tuple[int, ...]
    newest_at: datetime

    @property
    def per_day(self) -> float:
        return sum(self.days) / len(self.days)


def brought(session: Session, brand_ids: Collection[int], times: Sequence[datetime]) -> dict[int, Brought]:
    """Feed's id -> what it brought about these brands; without feeds that brought nothing. One look at these days."""
    at = Mention.posted_at
    counts = [func.count().filter(and_(at >= since, at < until)) for since, until in pairwise(times)]
    lately = (Mention.brand_id.in_(brand_ids), at >= times[0], at < times[-1], Mention.feed_id.is_not(None))
    rows = session.execute(select(Mention.feed_id, func.max(at), *counts).where(*lately).group_by(Mention.feed_id))
    return {int(feed_id): Brought(tuple(days), newest_at) for feed_id, newest_at, *days in rows if feed_id}


def gaps(session: Session, feed_ids: Collection[int], since: datetime) -> dict[int, list[Gap]]:
    """Feed's id -> its gaps that reach into the time since then, the newest first."""
    found: dict[int, list[Gap]] = {feed_id: [] for feed_id in feed_ids}
    query = select(Gap).where(Gap.feed_id.in_(feed_ids), Gap.until > since)
    for gap in session.scalars(query.order_by(Gap.since.desc(), Gap.id.desc()).limit(MOST_GAPS)):
        found[gap.feed_id].append(gap)
    return found
