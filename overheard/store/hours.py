"""Posts per brand, source and hour, counted anew whenever something in the hour has changed.

Whoever changes a post marks its hours in the same transaction; whoever takes a mark counts the hour from the posts
themselves, so a count that is interrupted, late or done twice comes to the same.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

import numpy as np
from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from overheard.aggregates import HOUR, summary
from overheard.store import quarters
from overheard.store.database import Database
from overheard.store.dialect import inserting, sliced
from overheard.store.tables.counts import DirtyHour, Hour
from overheard.store.tables.heard import Brand, Mention, Post, Score

NEAR: Final = timedelta(hours=4)
MARKS_AT_ONCE: Final = 200
Key: TypeAlias = tuple[int, datetime, str]
"""A brand, an hour (its start), a source."""
_Read: TypeAlias = tuple[int, float, float, float]
"""A post's reach and probabilities."""


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
    for some in sliced(post_ids):
        mentions = select(Mention.brand_id, Mention.posted_at, Mention.source)
        rows = session.execute(mentions.where(Mention.post_id.in_(some)))
        found |= {(brand, start(at), source) for brand, at, source in rows}
    mark(session, found)


def count_all(database: Database) -> int:
    """Count all marked hours, some per transaction. Returns how many there were.

    Rests between transactions for as long as each took: SQLite gives its lock to whoever asks first, so one who never
    rests would keep it from all others.
    """
    count = 0
    while True:
        began_at = time.monotonic()
        with database.write() as session:
            counted = count_some(session)
        count += counted
        if counted < MARKS_AT_ONCE:
            return count
        time.sleep(time.monotonic() - began_at)


def count_some(session: Session, at_most: int = MARKS_AT_ONCE) -> int:
    """Count that many marked hours. Returns how many there were."""
    marked = select(DirtyHour.brand_id, DirtyHour.source, DirtyHour.hour)
    marked = marked.order_by(DirtyHour.brand_id, DirtyHour.source, DirtyHour.hour).limit(at_most)
    keys = [(row.brand_id, row.hour, row.source) for row in session.execute(marked.with_for_update(skip_locked=True))]
    if keys:
        _keep(session, sorted({brand_id for brand_id, _, _ in keys}))
        _delete(session, DirtyHour, keys)
        _delete(session, Hour, keys)
        rows = [row for run in _runs(keys) for row in _count(session, run)]
        if rows:
            session.execute(inserting(session, Hour), rows)
        quarters.sum_up(session, keys)
    return len(keys)


def _keep(session: Session, brand_ids: Sequence[int]) -> None:
    """To ourselves, until we commit: hours of a quarter are summed up by one at a time. (SQLite has one writer.)"""
    session.execute(select(Brand.id).where(Brand.id.in_(brand_ids)).order_by(Brand.id).with_for_update(key_share=True))


def _delete(session: Session, table: Any, keys: Sequence[Key]) -> None:
    columns = table.__table__.c
    these = (columns.brand_id == bindparam("b"), columns.hour == bindparam("h"), columns.source == bindparam("s"))
    rows = [{"b": brand_id, "h": hour, "s": source} for brand_id, hour, source in keys]
    session.connection().execute(delete(table.__table__).where(*these), rows)


def _runs(keys: Sequence[Key]) -> Iterator[list[Key]]:
    """Hours of one brand and source that lie so close that their posts are read at once. keys: in order."""
    run = [keys[0]]
    for key in keys[1:]:
        is_near = key[1] - run[-1][1] <= NEAR
        if is_near and (key[0], key[2]) == (run[-1][0], run[-1][2]):
            run.append(key)
        else:
            yield run
            run = [key]
    yield run


def _count(session: Session, run: Sequence[Key]) -> list[dict[str, Any]]:
    """Rows of `hours` for these hours of one brand and source: a post counts under the model that read it last."""
    brand_id, first, source = run[0]
    columns = (Mention.posted_at, Post.id, Post.reach, Post.language, Score.model)
    query = (
        select(*columns, Score.negative, Score.neutral, Score.positive)
        .join(Post, Post.id == Mention.post_id)
        .outerjoin(Score, Score.post_id == Post.id)
        .where(Mention.brand_id == brand_id, Mention.source == source)
        .where(Mention.posted_at >= first, Mention.posted_at < run[-1][1] + HOUR)
        .order_by(Score.scored_at, Score.model)
    )
    newest = {row.id: row for row in session.execute(query)}
    wanted, found = set(run), defaultdict[tuple[Key, str, str], list[_Read]](list)
    for row in newest.values():
        key, scores = (brand_id, start(row.posted_at), source), (row.negative, row.neutral, row.positive)
        if key in wanted:
            found[key, row.model or "", row.language].append((row.reach, *(scores if row.model else (0.0, 0.0, 0.0))))
    return [_row(*found_key, posts) for found_key, posts in found.items()]


def _row(key: Key, model: str, language: str, found: list[_Read]) -> dict[str, Any]:
    brand_id, hour, source = key
    numbers = np.array(found, np.float64)
    row = {"brand_id": brand_id, "hour": hour, "source": source, "model": model, "language": language}
    row |= {"posts": len(found), "reach": int(numbers[:, 0].sum())}
    counts = summary(numbers[:, 1:] if model else np.zeros((0, 3)))
    for place, name in enumerate(("negative", "neutral", "positive")):
        row[f"called_{name}"], row[f"sum_{name}"] = counts.called[place], counts.sums[place]
    return row | {"moments": counts.moments.pack() if model else b""}
