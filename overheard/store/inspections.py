"""A feed's inspection: who is at it, how far it came, what it could not know, and when the next one is due.

Whoever inspects holds a lease; every page renews it in the transaction that keeps the page's posts and its cursor, so a
process that was thought dead finds that its lease is another's and keeps nothing more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from overheard.budget import RECENT_DAYS, Spent
from overheard.collectors import PUSHED
from overheard.collectors.base import Page, Span
from overheard.errors import DataError, OverheardError, SettingsError, SourceBusy, SourceRefused
from overheard.store import leases
from overheard.store.dialect import inserting
from overheard.store.tables.heard import Brand, Feed, Gap, Reads

LEASE_S: Final = 120.0
SENT_AGAIN_S: Final = 60.0
"""A feed that is due and was not taken for so long is asked for again: its message was lost."""
LONGEST_PAUSE_S: Final = 6 * 3600
REFUSED_PAUSE_S: Final = 3600
PAUSED: Final = "paused"


@dataclass(frozen=True)
class Held:
    """A feed that this process inspects while `lease_until` is what the database says."""

    feed: Feed
    brand: Brand | None
    lease_until: datetime


def due(session: Session, now: datetime, at_most: int = 100) -> list[int]:
    """Feeds whose time has come, the longest waiting first; they are due again soon, should nobody take them."""
    nobody = or_(Feed.lease_until.is_(None), leases.has_ended(Feed.lease_until, now))
    waiting = select(Feed.id).where(Feed.due_at <= now, nobody, *_inspected()).order_by(Feed.due_at).limit(at_most)
    ids = list(session.scalars(waiting.with_for_update(skip_locked=True)))
    later = now + timedelta(seconds=SENT_AGAIN_S)
    session.execute(update(Feed).where(Feed.id.in_(ids)).values(due_at=later))
    return ids


def take(session: Session, feed_id: int, now: datetime) -> Held | None:
    """None when it is gone, paused, or somebody is at it."""
    feed = session.get(Feed, feed_id, with_for_update=True)
    if feed is None or feed.state == PAUSED or feed.source == PUSHED or _is_held(feed, now):
        return None
    feed.lease_until = now + timedelta(seconds=LEASE_S)
    feed.inspected_at = now
    brand = session.get(Brand, feed.brand_id) if feed.brand_id else None
    return Held(feed, brand, feed.lease_until)


def _is_held(feed: Feed, now: datetime) -> bool:
    return feed.lease_until is not None and not leases.has_ended(feed.lease_until, now)


def advance(session: Session, held: Held, page: Page, now: datetime) -> Held | None:
    """Go on after this page, whose posts the caller keeps in the same transaction. None: the feed is no longer ours."""
    lease_until = now + timedelta(seconds=LEASE_S)
    if not _change(session, held, cursor=page.cursor, lease_until=lease_until):
        return None
    count_reads(session, held.feed.source, held.feed.id, page.reads, now)
    if page.lost:
        _add_gap(session, held.feed.id, page.lost, is_final=True)
    if page.unread:
        _open_gap(session, held.feed.id, page.unread)
    return replace(held, lease_until=lease_until)


def finish(session: Session, held: Held, last: Page | None, now: datetime) -> None:
    """Everything was read, or (`last.unread`) the rest is for another time."""
    is_complete = last is None or last.unread is None
    if is_complete:
        _fill_gaps(session, held.feed.id, now)
    _end(
        session,
        held,
        now + timedelta(seconds=held.feed.every_s),
        state="ok",
        failures=0,
        problem=None if is_complete else {"reason": last.unread.reason, "advice": ""},  # type: ignore[union-attr]
        complete_at=now if is_complete else held.feed.complete_at,
    )


def fail(session: Session, held: Held, error: OverheardError, now: datetime) -> None:
    """The platform says when to come back, the operator must act, or it is tried again, later and later.

    From the last complete inspection until now nothing is known for certain.
    """
    failures = held.feed.failures + 1
    since = held.feed.complete_at or held.feed.created_at
    _open_gap(session, held.feed.id, Span(since, now, str(error)[:500]))
    problem = {"reason": str(error)[:500], "advice": getattr(error, "advice", "")}
    _end(session, held, _retry_at(held, error, failures, now), state=_state(error), failures=failures, problem=problem)


def _state(error: OverheardError) -> str:
    if isinstance(error, SourceBusy):
        return "busy"
    return "refused" if is_for_the_operator(error) else "down"


def is_for_the_operator(error: OverheardError) -> bool:
    """Whether trying again is no use before somebody acts: a key, a setting, a query, a file."""
    return isinstance(error, SourceRefused | SettingsError | DataError)


def _retry_at(held: Held, error: OverheardError, failures: int, now: datetime) -> datetime:
    if isinstance(error, SourceBusy):
        return max(error.retry_at, now + timedelta(seconds=1))
    pause_s = min(held.feed.every_s * 2 ** min(failures - 1, 20), LONGEST_PAUSE_S)
    return now + timedelta(seconds=max(pause_s, REFUSED_PAUSE_S) if is_for_the_operator(error) else pause_s)


def _end(session: Session, held: Held, due_at: datetime, **values: Any) -> None:
    _change(session, held, due_at=due_at, lease_until=None, **values)


def _change(session: Session, held: Held, **values: Any) -> bool:
    """Whether the feed was still ours: neither taken by another, nor paused or removed meanwhile."""
    ours = (Feed.id == held.feed.id) & (Feed.lease_until == held.lease_until) & (Feed.state != PAUSED)
    changed = session.execute(
        update(Feed).where(ours).values(**values), execution_options={"synchronize_session": False}
    )
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def _inspected() -> Sequence[Any]:
    return (Feed.state != PAUSED, Feed.source != PUSHED)


def _add_gap(session: Session, feed_id: int, span: Span, *, is_final: bool) -> None:
    session.add(Gap(feed_id=feed_id, since=span.since, until=span.until, reason=span.reason[:500], is_final=is_final))


def _open_gap(session: Session, feed_id: int, span: Span) -> None:
    """A feed has one gap at most that may still be filled: it grows."""
    gap = session.scalar(select(Gap).where(*_open(feed_id)).with_for_update())
    if gap is None:
        _add_gap(session, feed_id, span, is_final=False)
    else:
        gap.since, gap.until, gap.reason = min(gap.since, span.since), max(gap.until, span.until), span.reason[:500]


def _fill_gaps(session: Session, feed_id: int, now: datetime) -> None:
    session.execute(update(Gap).where(*_open(feed_id)).values(filled_at=now))


def _open(feed_id: int) -> Sequence[Any]:
    return (Gap.feed_id == feed_id, Gap.is_final.is_(False), Gap.filled_at.is_(None))


def count_reads(session: Session, source: str, feed_id: int, reads: int, now: datetime) -> None:
    """Add to what the platform billed today."""
    if reads:
        insert = inserting(session, Reads)
        more = insert.on_conflict_do_update(
            index_elements=["source", "day", "feed_id"], set_={"count": Reads.count + reads}
        )
        row = {"source": source, "day": f"{now:%Y-%m-%d}", "feed_id": feed_id, "count": reads}
        session.execute(more, [row])


def spent(session: Session, source: str, now: datetime) -> Spent:
    """What the platform billed this month, today, and in the days before."""
    today, first = f"{now:%Y-%m-%d}", f"{now:%Y-%m-01}"
    recent = f"{now - timedelta(days=RECENT_DAYS):%Y-%m-%d}"
    mine = select(func.coalesce(func.sum(Reads.count), 0)).where(Reads.source == source, Reads.day < today)
    by_feed = select(Reads.feed_id, Reads.count).where(Reads.source == source, Reads.day == today)
    return Spent(
        before_today=int(session.scalar(mine.where(Reads.day >= first)) or 0),
        today=dict(session.execute(by_feed).all()),
        recent=int(session.scalar(mine.where(Reads.day >= recent)) or 0),
    )


def count_feeds(session: Session, source: str) -> int:
    """Feeds of the source that are inspected."""
    count = select(func.count()).select_from(Feed).where(Feed.source == source, Feed.state != PAUSED)
    return int(session.scalar(count) or 0)


def count_by_state(session: Session) -> dict[tuple[str, str], int]:
    """(source, state) -> feeds."""
    grouped = select(Feed.source, Feed.state, func.count()).group_by(Feed.source, Feed.state)
    return {(source, state): count for source, state, count in session.execute(grouped)}
