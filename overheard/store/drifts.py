"""How far each week of a brand is from what the model in service was trained on."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from overheard.drift import Drift as Found
from overheard.store import schedules
from overheard.store.dialect import inserting
from overheard.store.tables.audits import Drift
from overheard.store.tables.heard import Brand

WEEK: Final = timedelta(days=7)
MEASUREMENT: Final = "measure-drift"
"""The entry of the timetable that measures it."""


def week_of(at: datetime) -> datetime:
    """The Monday (00:00 UTC) of the week that this time is in."""
    return at.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=at.weekday())


def keep(session: Session, brand_id: int, week: datetime, model: str, found: Sequence[Found], now: datetime) -> None:
    """In place of what was measured of this week before. Nothing is kept of a brand that was removed meanwhile."""
    if session.get(Brand, brand_id, with_for_update={"read": True, "key_share": True}) is None or not found:
        return
    same = {"brand_id": brand_id, "week": week, "model": model, "measured_at": now}
    rows = [
        {**same, "feature": one.feature, "posts": one.posts, "is_drift": one.is_drift, "figures": one.as_dict()}
        for one in found
    ]
    insert = inserting(session, Drift)
    newer = {name: insert.excluded[name] for name in ("posts", "is_drift", "figures", "measured_at")}
    keys = ["brand_id", "week", "feature", "model"]
    session.execute(insert.on_conflict_do_update(index_elements=keys, set_=newer), rows)


def since(session: Session, brand_id: int, week: datetime) -> list[Drift]:
    """Of this week and later ones, the newest first; of a week, the model that was measured last comes first."""
    query = select(Drift).where(Drift.brand_id == brand_id, Drift.week >= week)
    return list(
        session.scalars(query.order_by(Drift.week.desc(), Drift.measured_at.desc(), Drift.model, Drift.feature))
    )


def problem(session: Session) -> str | None:
    """Why the newest measurement came to nothing; None when it did not, or when nothing was measured yet."""
    for slot in schedules.runs(session, MEASUREMENT, 2):  # the newest may still be at it
        if outcome := schedules.outcome_of(slot):
            return outcome.get("problem") or outcome.get("error")
    return None
