"""What somebody changed of the timetable, and which of its times (slots) were done: the truth, whatever Redis forgets.

Whoever inserts a slot does it, so a slot that is sent twice is done once. An unfinished slot is taken over by a message
that the broker delivers again, for its first worker is dead then, and by anybody after ABANDONED_S.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session, aliased

from overheard.errors import Conflict
from overheard.store.dialect import inserting
from overheard.store.feeds import NEVER
from overheard.store.tables.heard import Feed
from overheard.store.tables.timetable import Schedule, Slot

ABANDONED_S: Final = 3600
"""Longer than any scheduled task takes."""

NOBODY: Final = ""
"""Who changed an entry that is as the file has it; whom the timetable's own runs were asked by."""


def changes(session: Session) -> dict[str, Schedule]:
    """By the entry's name."""
    return {row.name: row for row in session.scalars(select(Schedule))}


def note(session: Session, names: Collection[str], now: datetime) -> None:
    """Have a row for each entry: what was due before an installation first knew of an entry was not missed."""
    rows = [
        {"name": name, "is_paused": False, "cron": None, "changed_by": NOBODY, "changed_at": now}
        for name in sorted(names)
    ]
    session.execute(inserting(session, Schedule).on_conflict_do_nothing(), rows)


def change(session: Session, name: str, changed_by: str, now: datetime, **values: Any) -> Schedule:
    """Set `is_paused`, `cron` or both. A cron of None: the entry's own. What is so already changes nothing."""
    note(session, [name], now)
    row = session.get_one(Schedule, name, with_for_update=True)
    if any(getattr(row, column) != value for column, value in values.items()):
        for column, value in values.items():
            setattr(row, column, value)
        row.changed_by, row.changed_at = changed_by, now
    return row


def claim(session: Session, name: str, due_at: datetime, now: datetime, *, may_take_over: bool) -> bool:
    """Whether this slot is the caller's to do. may_take_over: whoever had it before is known to be gone."""
    fresh = {"name": name, "due_at": due_at, "asked_by": NOBODY, "claimed_at": now, "outcome": ""}
    first = inserting(session, Slot).values(fresh).on_conflict_do_nothing().returning(Slot.name)
    if session.scalar(first) is not None:  # not by its rowcount: PostgreSQL gives none here
        return True
    left = update(Slot).where(_at(name, due_at), Slot.finished_at.is_(None))
    if not may_take_over:
        left = left.where(Slot.claimed_at < _abandoned_before(now))
    return session.scalar(left.values(claimed_at=now).returning(Slot.name)) is not None


def ask(session: Session, name: str, asked_by: str, now: datetime) -> Slot:
    """A run that somebody asks for now, and that its task will finish. Raises Conflict while the entry runs."""
    if running := unfinished(session, name, now):
        raise Conflict(f"{name} runs since {running.claimed_at:%Y-%m-%d %H:%M:%S} UTC: ask again when it has finished")
    slot = Slot(name=name, due_at=now, asked_by=asked_by, claimed_at=now)
    session.add(slot)
    session.flush()
    return slot


def record(session: Session, name: str, asked_by: str, now: datetime, outcome: Mapping[str, Any]) -> None:
    """A run that somebody asked for and that is done, as far as the timetable is concerned."""
    slot = Slot(name=name, due_at=now, asked_by=asked_by, claimed_at=now, finished_at=now, outcome=json.dumps(outcome))
    session.add(slot)


def finish(session: Session, name: str, due_at: datetime, now: datetime, outcome: Mapping[str, Any]) -> None:
    """outcome: what there is to tell, kept as JSON."""
    session.execute(update(Slot).where(_at(name, due_at)).values(finished_at=now, outcome=json.dumps(outcome)))


def outcome_of(slot: Slot) -> dict[str, Any] | None:
    """None as long as it has not finished."""
    return dict(json.loads(slot.outcome)) if slot.outcome else None


def forget(session: Session, name: str, due_at: datetime) -> None:
    """A run that was asked for came to nothing."""
    session.execute(delete(Slot).where(_at(name, due_at)))


def unfinished(session: Session, name: str, now: datetime) -> Slot | None:
    """The run of an entry that was begun and has not ended, unless it was so long ago that it is dead."""
    living = Slot.finished_at.is_(None) & (Slot.claimed_at >= _abandoned_before(now))
    return session.scalar(select(Slot).where(Slot.name == name, living).order_by(Slot.due_at.desc()).limit(1))


def is_missed(session: Session, name: str, due_at: datetime, now: datetime) -> bool:
    """Whether the entry has not run for this slot, nor since."""
    is_dead = Slot.finished_at.is_(None) & (Slot.claimed_at < _abandoned_before(now))
    run = select(Slot.name).where(Slot.name == name, Slot.due_at >= due_at, ~is_dead).limit(1)
    return session.scalar(run) is None


def runs(session: Session, name: str, limit: int) -> Sequence[Slot]:
    """Newest first."""
    return session.scalars(select(Slot).where(Slot.name == name).order_by(Slot.due_at.desc()).limit(limit)).all()


def last_runs(session: Session) -> dict[str, datetime]:
    """When each entry that has slots was last begun."""
    return dict(session.execute(select(Slot.name, func.max(Slot.claimed_at)).group_by(Slot.name)).all())


def purge(session: Session, now: datetime, keep_days: int) -> int:
    """Delete old slots, but each entry's newest: it says what was not missed. Returns how many."""
    other = aliased(Slot)
    newest = select(func.max(other.due_at)).where(other.name == Slot.name).scalar_subquery()
    old = Slot.due_at < now - timedelta(days=keep_days)
    gone = session.execute(delete(Slot).where(old, Slot.due_at < newest))
    return int(gone.rowcount)  # type: ignore[attr-defined]


def call_feeds(session: Session, now: datetime) -> int:
    """Make feeds due that were not yet, but for paused ones and where a platform said when to come back; how many."""
    idle = Feed.state.not_in(("paused", "busy")) & (Feed.due_at > now) & (Feed.due_at < NEVER)
    return int(session.execute(update(Feed).where(idle).values(due_at=now)).rowcount)  # type: ignore[attr-defined]


def _at(name: str, due_at: datetime) -> Any:
    return (Slot.name == name) & (Slot.due_at == due_at)


def _abandoned_before(now: datetime) -> datetime:
    return now - timedelta(seconds=ABANDONED_S)
