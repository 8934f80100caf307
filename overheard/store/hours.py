"""Posts per brand, source and hour, counted anew whenever something in the hour has changed.

Whoever changes a post marks its hours in the same transaction; whoever takes a mark counts the hour from the posts
themselves, so a count that is interrupted, late or done twice comes to the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

import numpy as np
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from overheard.aggregates import summary
from overheard.store.database import Database
from overheard.store.dialect import inserting
from overheard.store.tables import DirtyHour, Hour, Mention, Post, Score

HOUR: Final = timedelta(hours=1)
AT_ONCE: Final = 500
MARKS_AT_ONCE: Final = 50
Key: TypeAlias = tuple[int, datetime, str]
"""A brand, an hour (its start), a source."""


def start(at: datetime) -> datetime:
    """The hour that this time is in."""
    return at.replace(minute=0, second=0, microsecond=0)


def mark(session: Session, mentions: Iterable[tuple[int, datetime, str]]) -> None:
    """Of these mentions (brand, posted at, source) the hours are out of date.

    A mark is written even where there is one: so it is locked until our change can be seen, and nobody who counts the
    hour without that change takes the mark with them.
    """
    keys = sorted({(brand_id, start(at), source) for brand_id, at, source in mentions})
    if keys:
        insert = inserting(session, DirtyHour)
        again = insert.on_conflict_do_update(
            index_elements=["brand_id", "hour", "source"], set_={"marks": DirtyHour.marks + 1}
        )
        session.execute(
            again, [{"brand_id": brand, "hour": hour, "source": source, "marks": 1} for brand, hour, source in keys]
        )


def mark_posts(session: Session, post_ids: Sequence[int]) -> None:
    """Of all brands that these posts mention."""
    found: set[Key] = set()
    for place in range(0, len(post_ids), AT_ONCE):
        some = Mention.post_id.in_(post_ids[place : place + AT_ONCE])
        rows = session.execute(select(Mention.brand_id, Mention.posted_at, Mention.source).where(some))
        found |= {(brand, start(at), source) for brand, at, source in rows}
    mark(session, found)


def count_all(database: Database) -> int:
    """Count all marked hours, some per transaction. Returns how many there were."""
    count = 0
    while True:
        with database.write() as session:
            counted = count_some(session)
        count += counted
        if counted < MARKS_AT_ONCE:
            return count


def count_some(session: Session, at_most: int = MARKS_AT_ONCE) -> int:
    """Count that many marked hours. Returns how many there were."""
    oldest = select(DirtyHour).order_by(DirtyHour.hour, DirtyHour.brand_id, DirtyHour.source).limit(at_most)
    marked = session.scalars(oldest.with_for_update(skip_locked=True)).all()
    for mark_row in marked:
        key = (mark_row.brand_id, mark_row.hour, mark_row.source)
        session.execute(delete(DirtyHour).where(_is(DirtyHour, key)))
        _count(session, key)
    return len(marked)


def _count(session: Session, key: Key) -> None:
    session.execute(delete(Hour).where(_is(Hour, key)))
    rows = [_row(key, model, found) for model, found in _newest_by_model(session, key).items()]
    if rows:
        session.execute(inserting(session, Hour), rows)


def _is(table: Any, key: Key) -> Any:
    brand_id, hour, source = key
    return (table.brand_id == brand_id) & (table.hour == hour) & (table.source == source)


def _newest_by_model(session: Session, key: Key) -> dict[str, list[tuple[int, float, float, float]]]:
    """(reach, three probabilities) of each post of the hour, under the model that read it last; "" for none."""
    brand_id, hour, source = key
    columns = select(Post.id, Post.reach, Score.model, Score.negative, Score.neutral, Score.positive)
    query = (
        columns.select_from(Mention)
        .join(Post, Post.id == Mention.post_id)
        .outerjoin(Score, Score.post_id == Post.id)
        .where(Mention.brand_id == brand_id, Mention.posted_at >= hour, Mention.posted_at < hour + HOUR)
        .where(Mention.source == source)
        .order_by(Score.scored_at, Score.model)
    )
    newest = {row.id: row for row in session.execute(query)}
    found: dict[str, list[tuple[int, float, float, float]]] = defaultdict(list)
    for row in newest.values():
        found[row.model or ""].append((row.reach, row.negative or 0.0, row.neutral or 0.0, row.positive or 0.0))
    return found


def _row(key: Key, model: str, found: list[tuple[int, float, float, float]]) -> dict[str, Any]:
    brand_id, hour, source = key
    numbers = np.array(found, np.float64)
    row = {"brand_id": brand_id, "hour": hour, "source": source, "model": model, "posts": len(found)}
    row["reach"] = int(numbers[:, 0].sum())
    counts = summary(numbers[:, 1:] if model else np.zeros((0, 3)))
    for place, name in enumerate(("negative", "neutral", "positive")):
        row[f"called_{name}"], row[f"sum_{name}"] = counts.called[place], counts.sums[place]
    return row | {"moments": counts.moments if model else {}}
