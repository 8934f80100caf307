"""What recipients are to be told: one notice each, however often it is announced.

Whoever sends a notice holds a lease on it, so two workers at once never send one twice. A worker that is killed between
the server's "accepted" and its own note of it leaves the notice to be sent once more, under the same id: at least once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from overheard.store import leases
from overheard.store.dialect import inserting
from overheard.store.tables.alerting import Incident, Notice, Recipient

LEASE_S: Final = 120.0
"""Longer than sending ever takes."""
FIRST_PAUSE_S: Final = 30
LONGEST_PAUSE_S: Final = 7200
MAX_ATTEMPTS: Final = 20
"""With these pauses the last attempt is a day after the first."""
TEST: Final = "test"


@dataclass(frozen=True)
class Held:
    """A notice that this process sends while `lease_until` is what the database says."""

    notice: Notice
    lease_until: datetime


def announce(
    session: Session, incident: Incident, kind: Literal["opened", "resolved"], now: datetime, due_at: datetime
) -> int:
    """Everybody who wants to know is told, not before `due_at`. Returns how many there are.

    incident: one with an id. In the caller's transaction: no incident without its notices, none told twice.
    """
    wanting = _wanting(session, Recipient.wants_alerts, incident.brand_id)
    same = {"incident_id": incident.id, "kind": kind, "subject": str(incident.id), "due_at": due_at, "created_at": now}
    _add(session, wanting, same)
    return len(wanting)


def announce_digest(session: Session, brand_id: int, subject: str, body: dict[str, Any], now: datetime) -> int:
    """Everybody who wants digests of the brand is told this one, once per subject. Returns how many there are."""
    wanting = _wanting(session, Recipient.wants_digest, brand_id)
    _add(session, wanting, {"kind": "digest", "subject": subject, "body": body, "due_at": now, "created_at": now})
    return len(wanting)


def add_test(session: Session, recipient_id: int, subject: str, now: datetime) -> Notice:
    """A notice that says only that notices arrive. It is tried once: who asked for it waits for the outcome."""
    notice = Notice(
        recipient_id=recipient_id, kind=TEST, subject=subject, body=None, attempts=0, due_at=now, created_at=now
    )
    session.add(notice)
    session.flush()
    return notice


def _wanting(session: Session, wants: Any, brand_id: int | None) -> Sequence[int]:
    mine = or_(Recipient.brand_id.is_(None), Recipient.brand_id == brand_id)
    return session.scalars(select(Recipient.id).where(wants, mine).order_by(Recipient.id)).all()


def _add(session: Session, wanting: Sequence[int], same: dict[str, Any]) -> None:
    if wanting:
        insert = inserting(session, Notice).on_conflict_do_nothing()
        session.execute(insert, [{"recipient_id": recipient_id, **same} for recipient_id in wanting])


def due(session: Session, now: datetime) -> list[int]:
    """Recipients with something to be told now, where nobody is at it already."""
    busy = select(Notice.recipient_id).where(_unsent(), ~leases.has_ended(Notice.lease_until, now))
    waiting = select(Notice.recipient_id).where(_unsent(), Notice.due_at <= now, Notice.recipient_id.not_in(busy))
    return list(session.scalars(waiting.distinct().order_by(Notice.recipient_id)))


def take(session: Session, recipient_id: int, now: datetime) -> Held | None:
    """The oldest that is due and free; None when there is none. No end is told before its beginning."""
    first = aliased(Notice)
    is_early = exists().where(
        first.recipient_id == Notice.recipient_id,
        first.incident_id == Notice.incident_id,
        first.kind == "opened",
        first.sent_at.is_(None),
        first.failed_at.is_(None),
        Notice.kind == "resolved",
    )
    free = or_(Notice.lease_until.is_(None), leases.has_ended(Notice.lease_until, now))
    wanted = (_unsent(), Notice.recipient_id == recipient_id, Notice.due_at <= now, free, ~is_early)
    query = select(Notice).where(*wanted).order_by(Notice.id).limit(1).with_for_update(skip_locked=True, of=Notice)
    notice = session.scalar(query)
    if notice is None:
        return None
    notice.attempts += 1
    notice.lease_until = now + timedelta(seconds=LEASE_S)
    return Held(notice, notice.lease_until)


def sent(session: Session, held: Held, now: datetime, problem: str = "") -> None:
    """problem: what went wrong although it was sent: addresses that a mail server refused among others."""
    _settle(session, held, sent_at=now, problem=problem)


def failed(session: Session, held: Held, problem: str, now: datetime) -> datetime | None:
    """When it is tried again; None: never."""
    notice, again = held.notice, None
    if notice.kind == TEST or notice.attempts >= MAX_ATTEMPTS:
        _settle(session, held, failed_at=now, problem=problem)
    else:
        again = now + timedelta(seconds=pause_s(notice.attempts))
        _settle(session, held, due_at=again, problem=problem)
    return again


def pause_s(attempts: int) -> int:
    """After so many attempts: twice as long each time, up to two hours."""
    return int(min(FIRST_PAUSE_S * 2 ** (attempts - 1), LONGEST_PAUSE_S))


def _settle(session: Session, held: Held, **values: Any) -> None:
    """What came of it, unless the lease ran out and another has taken it since."""
    ours = (Notice.id == held.notice.id) & (Notice.lease_until == held.lease_until)
    settled = update(Notice).where(ours).values(lease_until=None, **values)
    session.execute(settled, execution_options={"synchronize_session": False})


def postpone(session: Session, recipient_id: int, now: datetime, until: datetime) -> None:
    """What else is due to a recipient that can't be reached waits as well, and is not counted as tried."""
    mine = (_unsent(), Notice.recipient_id == recipient_id, Notice.due_at <= now, Notice.kind != TEST)
    session.execute(update(Notice).where(*mine).values(due_at=until))


def hurry(session: Session, recipient_id: int, now: datetime) -> None:
    """Try at once what waits for its next attempt: something was mended."""
    mine = (_unsent(), Notice.recipient_id == recipient_id, Notice.attempts > 0)
    session.execute(update(Notice).where(*mine).values(due_at=now))


def newest(session: Session, recipient_id: int, limit: int) -> list[Notice]:
    query = select(Notice).where(Notice.recipient_id == recipient_id).order_by(Notice.id.desc()).limit(limit)
    return list(session.scalars(query))


def counts(session: Session) -> dict[str, int]:
    """Notices that are not sent, by what becomes of them: `waiting`, `retrying`, `failed`."""
    failed, tried = Notice.failed_at.is_not(None), Notice.attempts > 0
    counted = select(
        func.count().filter(~failed, ~tried).label("waiting"),
        func.count().filter(~failed, tried).label("retrying"),
        func.count().filter(failed).label("failed"),
    )
    return dict(session.execute(counted.where(Notice.sent_at.is_(None))).one()._mapping)


def purge(session: Session, before: datetime) -> int:
    """Delete digests and tests that are so old; the notices of an incident go with it. Returns how many there were."""
    old = delete(Notice).where(Notice.incident_id.is_(None), Notice.created_at < before)
    return int(session.execute(old).rowcount)  # type: ignore[attr-defined]


def _unsent() -> ColumnElement[bool]:
    return Notice.sent_at.is_(None) & Notice.failed_at.is_(None)
