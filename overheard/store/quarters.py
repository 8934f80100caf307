"""Quarters of days, summed up from hours: whoever asks for weeks or years reads a sixth of the rows."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Integer, delete, func, or_, select, type_coerce
from sqlalchemy.orm import Session

from overheard.aggregates import HOUR, Moments
from overheard.scoring.bundle import LABELS
from overheard.store.dialect import inserting
from overheard.store.tables.base import EPOCH
from overheard.store.tables.counts import Hour, Quarter

HOURS: Final = 6
QUARTER: Final = HOURS * HOUR
Rows: TypeAlias = tuple[type[Hour] | type[Quarter], tuple[ColumnElement[bool], ...]]
"""A table and which of its rows."""
BY_CLASS: Final = (*(f"called_{name}" for name in LABELS), *(f"sum_{name}" for name in LABELS))
"""Columns with how many posts were called each class, and with the sum of each class's probabilities."""
SUMS: Final = ("posts", "reach", *BY_CLASS)
"""Columns that are added up."""


def start(at: datetime) -> datetime:
    """The quarter that this time is in."""
    return EPOCH + (at - EPOCH) // QUARTER * QUARTER


def sum_up(session: Session, keys: Iterable[tuple[int, datetime, str]]) -> None:
    """Anew, the quarters of these hours (brand, hour, source), whose rows are as they should be.

    Nobody else may count hours of these brands meanwhile: who reads the hours of others would put back what they were.
    """
    for brand_id, at, source in sorted({(brand_id, start(hour), source) for brand_id, hour, source in keys}):
        place = {"brand_id": brand_id, "hour": at, "source": source}
        own = (Quarter.brand_id == brand_id, Quarter.hour == at, Quarter.source == source)
        session.execute(delete(Quarter).where(*own))
        within = (Hour.brand_id == brand_id, Hour.hour >= at, Hour.hour < at + QUARTER, Hour.source == source)
        columns = (Hour.model, Hour.language, Hour.moments, *(getattr(Hour, name) for name in SUMS))
        if rows := [place | row for row in _summed(session.execute(select(*columns).where(*within)).all())]:
            session.execute(inserting(session, Quarter), rows)


def _summed(hours: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """A row for each model and language."""
    alike = defaultdict[tuple[str, str], list[Any]](list)
    for row in hours:
        alike[row.model, row.language].append(row)
    for (model, language), rows in alike.items():
        sums = {name: sum(getattr(row, name) for row in rows) for name in SUMS}
        moments = Moments.unpack([row.moments for row in rows]).sum().pack() if model else b""
        yield {"model": model, "language": language, "moments": moments, **sums}


def covering(since: datetime, until: datetime, step: timedelta | None = None) -> Iterator[Rows]:
    """Where everything is once that was counted from the hour of `since` to that of `until`, in few rows.

    step: no row reaches over an edge between two of these, of which the whole time consists; None: there is none.
    """
    since, until = (EPOCH + (at - EPOCH) // HOUR * HOUR for at in (since, until))
    first, whole = (since - EPOCH) // HOUR, (step or until - since) // HOUR
    if whole < HOURS:
        yield Hour, (Hour.hour >= since, Hour.hour < until)
        return
    quarter, hour = (type_coerce(table.hour, Integer) for table in (Quarter, Hour))
    within = (quarter - first) % whole <= whole - HOURS  # it ends before the next edge, or there
    yield Quarter, (Quarter.hour >= since, Quarter.hour <= until - QUARTER, within)
    if first % HOURS or whole % HOURS:
        at_edges = [Hour.hour < start(since + QUARTER - HOUR), Hour.hour >= start(until)]
        if whole < (until - since) // HOUR:  # of the other quarters, those that reach over an edge
            at_edges.append((hour // HOURS * HOURS - first) % whole > whole - HOURS)
        yield Hour, (Hour.hour >= since, Hour.hour < until, or_(*at_edges))


def first_read(session: Session, brand_id: int, since: datetime, until: datetime) -> dict[str, datetime]:
    """Model -> the first hour of this time whose posts it read; the earliest first."""
    found = dict[str, datetime]()
    for table, within in covering(since, until):
        read = (table.brand_id == brand_id, table.model != "", *within)
        for model, at in session.execute(select(table.model, func.min(table.hour)).where(*read).group_by(table.model)):
            found[model] = min(at, found.get(model, at))
    for model, at in found.items():
        of_quarter = (Hour.hour >= max(at, since), Hour.hour < at + QUARTER)
        own = (Hour.brand_id == brand_id, Hour.model == model, *of_quarter)
        found[model] = session.scalar(select(func.min(Hour.hour)).where(*own)) or at
    return dict(sorted(found.items(), key=lambda one: (one[1], one[0])))
