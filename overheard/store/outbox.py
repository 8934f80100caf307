"""What recipients are to be told: one notice each, however often it is announced."""

from datetime import datetime
from typing import Literal

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from overheard.store.dialect import inserting
from overheard.store.tables.alerting import Incident, Notice, Recipient


def announce(
    session: Session, incident: Incident, kind: Literal["opened", "resolved"], now: datetime, due_at: datetime
) -> int:
    """Everybody who wants to know is told, not before `due_at`. Returns how many there are.

    incident: one with an id. In the caller's transaction: no incident without its notices, none told twice.
    """
    mine = or_(Recipient.brand_id.is_(None), Recipient.brand_id == incident.brand_id)
    wanting = session.scalars(select(Recipient.id).where(Recipient.wants_alerts, mine)).all()
    same = {"incident_id": incident.id, "kind": kind, "subject": str(incident.id), "due_at": due_at, "created_at": now}
    if wanting:
        insert = inserting(session, Notice).on_conflict_do_nothing()
        session.execute(insert, [{"recipient_id": recipient_id, **same} for recipient_id in wanting])
    return len(wanting)
