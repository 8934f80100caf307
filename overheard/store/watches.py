"""Who looks now: a look is claimed in the database, so that of many who would only one does it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from overheard.store.dialect import inserting
from overheard.store.tables.alerting import Watch

MACHINE: Final = "machine"
BRANDS: Final = "brands"
SLOW: Final = "slow"
UNKNOWN: Final = "unknown"
"""Of what looks at brands remember: rule's id -> ids of the brands of which it could say nothing."""


def claim(session: Session, name: str, now: datetime, every: timedelta, by: str) -> bool:
    """Whether the caller is to look: nobody did within `every`. The first look of an installation is anybody's."""
    first = inserting(session, Watch).values(name=name, at=now, by=by, facts={}).on_conflict_do_nothing()
    if session.scalar(first.returning(Watch.name)) is not None:
        return True
    late = (Watch.name == name) & (Watch.at <= now - every)
    return session.scalar(update(Watch).where(late).values(at=now, by=by).returning(Watch.name)) is not None


def once(session: Session, name: str, now: datetime) -> bool:
    """Whether this was never done; it is now."""
    first = inserting(session, Watch).values(name=name, at=now, by="", facts={}).on_conflict_do_nothing()
    return session.scalar(first.returning(Watch.name)) is not None


def last(session: Session, name: str) -> Watch | None:
    return session.scalar(select(Watch).where(Watch.name == name))


def remember(session: Session, name: str, facts: Mapping[str, Any]) -> None:
    """For the next look."""
    session.execute(update(Watch).where(Watch.name == name).values(facts=dict(facts)))
