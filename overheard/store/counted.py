"""A brand's hours as rules look at them, and the posts that wait, the feeds and the trainings."""

from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from overheard.aggregates import HOUR, Moments, Summary
from overheard.alerts.facts import BrandFacts, Counts, Flags
from overheard.estimates import Estimate, Taught, estimate
from overheard.store import audited, hours, models, quarters
from overheard.store.shares import NEAR
from overheard.store.tables.counts import Hour
from overheard.store.tables.heard import Brand, Feed, Gap

UNHEARD: Final = ("down", "refused", "busy")
"""Feeds in these states do not hear what is said now."""


def read(session: Session, brand_id: int, since: datetime, until: datetime, source: str | None = None) -> Counts:
    """The hours from that of `since` to that of `until`, which is the last. source: of one platform only."""
    first = hours.start(since)
    length = (hours.start(until) - first) // HOUR + 1
    mine = [Hour.brand_id == brand_id, Hour.hour >= first, Hour.hour <= until]
    if source is not None:
        mine.append(Hour.source == source)
    sums = (func.sum(Hour.posts), func.sum(Hour.called_negative))
    rows = session.execute(select(Hour.hour, Hour.model, *sums).where(*mine).group_by(Hour.hour, Hour.model)).all()
    models = sorted({model for _, model, _, _ in rows if model}) or [""]
    row_of = {model: row for row, model in enumerate(models)}
    posts, scored, negative = np.zeros(length, np.int64), *np.zeros((2, len(models), length), np.int64)
    for hour, model, count, called in rows:
        place = (hour - first) // HOUR
        posts[place] += count
        if model:
            scored[row_of[model], place], negative[row_of[model], place] = count, called
    is_complete = _is_complete(session, brand_id, first, length, source)
    return Counts(first, posts, tuple(models), scored, negative, is_complete)


def _is_complete(session: Session, brand_id: int, first: datetime, length: int, source: str | None) -> Flags:
    of_feeds = [Feed.brand_id == brand_id, *([Feed.source == source] if source is not None else [])]
    query = select(Gap.since, Gap.until).join(Feed, Feed.id == Gap.feed_id)
    query = query.where(*of_feeds, Gap.filled_at.is_(None), Gap.until > first, Gap.since < first + length * HOUR)
    complete = np.ones(length, np.bool_)
    for since, until in session.execute(query):
        begin, end = (since - first) // HOUR, -((first - until) // HOUR)
        complete[max(begin, 0) : max(end, 0)] = False
    return complete


def facts_of(session: Session, brand: Brand, now: datetime, back: timedelta) -> BrandFacts:
    """What rules look at of a brand, `back` from now. `estimated` reads in the same session."""
    counts = read(session, brand.id, now - back, now)
    unheard = session.scalars(select(Feed).where(Feed.brand_id == brand.id, Feed.state.in_(UNHEARD))).all()
    if unheard:
        counts.is_complete[-1] = False  # its gap grows with the next look of its feed
    names = tuple(f"{feed.source} is {feed.state}" for feed in unheard)

    def estimated(since: datetime, until: datetime, model: str | None) -> Estimate:
        taught = Taught.of(models.metrics(session, [model]).get(model, {})) if model else None
        people = audited.read(session, brand.id, since - NEAR, until).between(since - NEAR, until)
        return estimate(summary(session, brand.id, since, until, model), nearby=people, taught=taught)

    return BrandFacts(brand.id, brand.name, now, counts, estimated, unheard=names)


def summary(session: Session, brand_id: int, since: datetime, until: datetime, model: str | None) -> Summary:
    """All that was counted of the hours since <= hour < until, of one model version or of all."""
    rows = list[Any]()
    for table, within in quarters.covering(since, until):
        read = table.model != "" if model is None else table.model == model
        columns = (table.posts, table.moments, *(getattr(table, name) for name in quarters.BY_CLASS))
        rows += session.execute(select(*columns).where(table.brand_id == brand_id, read, *within)).all()
    sums = np.array([row[2:] for row in rows], np.float64).reshape(len(rows), 6).sum(axis=0)
    called, totals = tuple(map(int, sums[:3])), tuple(map(float, sums[3:]))
    return Summary(sum(row.posts for row in rows), called, totals, Moments.unpack([row.moments for row in rows]).sum())


def by_source(session: Session, facts: BrandFacts) -> dict[str, Counts]:
    """The same hours, of each source that a feed of the brand listens to now."""
    first, last = facts.counts.first, facts.counts.start(len(facts.counts) - 1)
    named = select(Feed.source).where(Feed.brand_id == facts.brand_id, Feed.state != "paused").distinct()
    return {source: read(session, facts.brand_id, first, last, source) for source in session.scalars(named)}
