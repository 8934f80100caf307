"""Recipients: who is told what, and how telling them goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from overheard.errors import Conflict, NotFound
from overheard.recipients import DEFAULT, Target
from overheard.seal import Seal
from overheard.store import brands, outbox
from overheard.store.dialect import inserting
from overheard.store.tables.alerting import Notice, Recipient


@dataclass(frozen=True)
class Listed:
    """waiting: notices that are still to be sent. failed: those that were given up. problem: why the last one of
    either could not be sent, empty when all is well. sent_at: when a notice last got there."""

    recipient: Recipient
    waiting: int
    failed: int
    problem: str
    sent_at: datetime | None


def add(
    session: Session,
    seal: Seal,
    name: str,
    target: Target,
    now: datetime,
    *,
    brand_id: int | None = None,
    wants_alerts: bool = True,
    wants_digest: bool = True,
) -> Recipient:
    """Raises NotFound for the brand; Conflict when the name is taken."""
    if brand_id is not None:
        brands.get(session, brand_id)
    recipient = Recipient(
        name=name,
        url=seal.close(target.url),
        shown=target.shown,
        brand_id=brand_id,
        wants_alerts=wants_alerts,
        wants_digest=wants_digest,
        created_at=now,
    )
    session.add(recipient)
    _flush(session, name)
    return recipient


def change(session: Session, recipient_id: int, now: datetime, values: Mapping[str, Any]) -> Recipient:
    """values: columns. Raises NotFound; Conflict when another has the name. A new address is tried at once."""
    recipient = _found(session.get(Recipient, recipient_id, with_for_update=True), recipient_id)
    if values.get("brand_id") is not None:
        brands.get(session, values["brand_id"])
    for name, value in values.items():
        setattr(recipient, name, value)
    _flush(session, recipient.name)
    if "url" in values:
        outbox.hurry(session, recipient_id, now)
    return recipient


def _flush(session: Session, name: str) -> None:
    try:
        session.flush()
    except IntegrityError:
        raise Conflict(f"another recipient is called {name!r}") from None


def ensure_default(session: Session, seal: Seal, target: Target, now: datetime) -> None:
    """The one that OVERHEARD_NOTIFY_URL names: made, or led to the address that it names now."""
    row = {"name": DEFAULT, "url": seal.close(target.url), "shown": target.shown, "created_at": now}
    row |= {"wants_alerts": True, "wants_digest": True}
    session.execute(inserting(session, Recipient).values(row).on_conflict_do_nothing(index_elements=["name"]))
    recipient = session.scalars(select(Recipient).where(Recipient.name == DEFAULT).with_for_update()).one()
    if not seal.holds(recipient.url, target.url):
        change(session, recipient.id, now, {"url": row["url"], "shown": row["shown"]})


def get(session: Session, recipient_id: int) -> Recipient:
    """Raises NotFound."""
    return _found(session.get(Recipient, recipient_id), recipient_id)


def _found(recipient: Recipient | None, recipient_id: int) -> Recipient:
    if recipient is None:
        raise NotFound("recipient", str(recipient_id), "GET /recipients lists them")
    return recipient


def remove(session: Session, recipient_id: int) -> None:
    """With all that was still to be sent. Raises NotFound."""
    session.delete(get(session, recipient_id))


def shown(session: Session, recipient_id: int) -> Listed:
    """Raises NotFound."""
    return _listed(session, [get(session, recipient_id)])[0]


def all_of_them(session: Session) -> list[Listed]:
    """By their names."""
    return _listed(session, session.scalars(select(Recipient).order_by(Recipient.name)).all())


def _listed(session: Session, found: Sequence[Recipient]) -> list[Listed]:
    failed, sent = Notice.failed_at.is_not(None), Notice.sent_at.is_not(None)
    counted = select(
        Notice.recipient_id,
        func.count().filter(~failed, ~sent).label("waiting"),
        func.count().filter(failed).label("failed"),
        func.max(Notice.sent_at).label("sent_at"),
    )
    ids = [recipient.id for recipient in found]
    rows = session.execute(counted.where(Notice.recipient_id.in_(ids)).group_by(Notice.recipient_id))
    counts = {row.recipient_id: row for row in rows}
    problems = _problems(session, ids)
    return [
        Listed(
            recipient,
            waiting=counts[recipient.id].waiting if recipient.id in counts else 0,
            failed=counts[recipient.id].failed if recipient.id in counts else 0,
            problem=problems.get(recipient.id, ""),
            sent_at=counts[recipient.id].sent_at if recipient.id in counts else None,
        )
        for recipient in found
    ]


def _problems(session: Session, ids: Sequence[int]) -> dict[int, str]:
    """Of the newest notice that was tried, where that one did not get there."""
    tried = (Notice.recipient_id.in_(ids), (Notice.attempts > 0) | Notice.sent_at.is_not(None))
    newest = select(func.max(Notice.id)).where(*tried).group_by(Notice.recipient_id)
    unsent = select(Notice.recipient_id, Notice.problem).where(Notice.id.in_(newest), Notice.sent_at.is_(None))
    return dict(session.execute(unsent).all())
