"""A rule is rehearsed on the hours that are stored of a brand."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from overheard.alerts import rehearsal
from overheard.alerts.rehearsal import Rehearsal
from overheard.store import brands, counted
from overheard.watching import BACK


def rehearse(
    session: Session,
    kind: str,
    brand_id: int,
    options: Mapping[str, Any],
    since: datetime,
    until: datetime,
    cooldown_s: int | None = None,
) -> Rehearsal:
    """Raises NotFound for the brand, DataError for a kind that can't be rehearsed or options that it does not take."""
    rehearsal.check(kind)
    brand = brands.get(session, brand_id)
    since, until = since.astimezone(UTC), until.astimezone(UTC)
    facts = counted.facts_of(session, brand, until, until - since + BACK)
    return rehearsal.rehearse(facts, kind, options, since, until, cooldown_s)
