"""Hourly means of what was heard and of what callers were told, for MLflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from overheard.aggregates import HOUR, Floats
from overheard.store.dialect import inserting
from overheard.store.tables.counts import CallHour, Hour, MirroredHour

SETTLED: Final = timedelta(minutes=15)
"""So long after its end an hour is told: most of its posts have been heard and scored by then."""
LATEST: Final = timedelta(days=7)
_SUMS: Final = ("sum_negative", "sum_neutral", "sum_positive")


@dataclass(frozen=True)
class Means:
    """Of one hour. about: `posts` or `calls`; count: how many; means (3,): of the probabilities."""

    hour: datetime
    about: str
    count: int
    means: tuple[float, ...]


def count_calls(session: Session, hour: datetime, model: str, count: int, sums: Floats) -> None:
    """Add what callers were told. sums (3,): of the probabilities."""
    insert = inserting(session, CallHour)
    row: dict[str, Any] = {"hour": hour, "model": model, "texts": count}
    row |= dict(zip(_SUMS, sums.tolist(), strict=True))
    more = {name: getattr(CallHour, name) + insert.excluded[name] for name in ("texts", *_SUMS)}
    session.execute(insert.on_conflict_do_update(index_elements=["hour", "model"], set_=more), [row])


def untold(session: Session, now: datetime) -> list[Means]:
    """What MLflow was not told of yet: hours that are over, and not long."""
    told = set(session.scalars(select(MirroredHour.hour).where(MirroredHour.hour >= now - LATEST)))
    found: list[Means] = []
    for about, query in (("posts", _heard()), ("calls", _called())):
        table = Hour if about == "posts" else CallHour
        recent = query.where(table.hour >= now - LATEST, table.hour <= now - SETTLED - HOUR)
        rows = session.execute(recent.group_by(table.hour).order_by(table.hour))
        found += [_means(row._mapping, about) for row in rows if row.hour not in told]
    return found


def tell(session: Session, hours: Sequence[datetime], now: datetime) -> None:
    """Note that MLflow was told of these."""
    if hours:
        rows = [{"hour": hour, "at": now} for hour in hours]
        session.execute(inserting(session, MirroredHour).on_conflict_do_nothing(), rows)


def _heard() -> Select[Any]:
    sums = [func.sum(getattr(Hour, name)).label(name) for name in _SUMS]
    return select(Hour.hour, func.sum(Hour.posts).label("count"), *sums).where(Hour.model != "")


def _called() -> Select[Any]:
    sums = [func.sum(getattr(CallHour, name)).label(name) for name in _SUMS]
    return select(CallHour.hour, func.sum(CallHour.texts).label("count"), *sums)


def _means(row: Mapping[Any, Any], about: str) -> Means:
    sums = np.array([row[name] for name in _SUMS])
    return Means(row["hour"], about, int(row["count"]), tuple((sums / row["count"]).tolist()))
