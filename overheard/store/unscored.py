"""Posts that wait for a score: taken with a lease, given back with what a model says.

A message says only "there are posts to score", so one that is lost, doubled or late neither loses a post nor scores it
twice; a post whose worker died is free again when the lease has run out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, literal, or_, select, update
from sqlalchemy.orm import Session

from overheard.store import hours, leases
from overheard.store.dialect import inserting, sliced
from overheard.store.parts import Answer
from overheard.store.tables.heard import Post, Score, Unscored


@dataclass(frozen=True)
class Work:
    """Posts that this worker scores until `lease_until`, by which it is known when it gives them back."""

    ids: list[int]
    texts: list[str]
    lease_until: datetime


@dataclass(frozen=True)
class Waiting:
    """posts: how many wait. parked: how many more were taken too often without a score."""

    posts: int
    parked: int


def add(session: Session, post_ids: Sequence[int]) -> None:
    """Ask for scores. Who is at one of these posts already reads an old text: what it says will not count."""
    for some in sliced(post_ids):
        wait = select(Post.id, literal(0)).where(Post.id.in_(some)).order_by(Post.id)
        insert = inserting(session, Unscored).from_select(["post_id", "attempts"], wait)
        anew = insert.on_conflict_do_update(index_elements=["post_id"], set_={"attempts": 0, "lease_until": None})
        session.execute(anew)


def add_since(session: Session, since: datetime, model: str) -> int:
    """Ask for scores of all posts since then that `model` has not read. Returns how many wait for them now."""
    read = select(Score.post_id).where(Score.post_id == Post.id, Score.model == model).exists()
    missing = select(Post.id).where(Post.posted_at >= since, ~read)
    ids = list(session.scalars(missing))
    add(session, ids)
    return len(ids)


def take(session: Session, now: datetime, lease_s: float, max_attempts: int, at_most: int) -> Work | None:
    """The posts that have waited longest; None when none is free."""
    free = select(Unscored.post_id).where(_free(now, max_attempts)).order_by(Unscored.post_id).limit(at_most)
    ids = list(session.scalars(free.with_for_update(skip_locked=True)))
    if not ids:
        return None
    lease_until = now + timedelta(seconds=lease_s)
    mine = Unscored.post_id.in_(ids)
    session.execute(
        update(Unscored).where(mine).values(lease_until=lease_until, attempts=Unscored.attempts + 1),
        execution_options={"synchronize_session": False},
    )
    rows = session.execute(select(Post.id, Post.text).where(Post.id.in_(ids)).order_by(Post.id)).all()
    return Work([row.id for row in rows], [row.text for row in rows], lease_until)


def give_back(session: Session, work: Work, answer: Answer, now: datetime) -> int:
    """Keep the scores of those that are still ours: not deleted, edited or taken by another meanwhile."""
    ours = select(Unscored.post_id).where(Unscored.post_id.in_(work.ids), Unscored.lease_until == work.lease_until)
    mine = set(session.scalars(ours.with_for_update()))
    rows: list[dict[str, Any]] = [
        {"post_id": post_id, "model": answer.model, "scored_at": now, **_named(scores)}
        for post_id, scores in zip(work.ids, answer.scores.tolist(), strict=True)
        if post_id in mine
    ]
    if not rows:
        return 0
    insert = inserting(session, Score)
    newer = {name: insert.excluded[name] for name in ("negative", "neutral", "positive", "scored_at")}
    session.execute(insert.on_conflict_do_update(index_elements=["post_id", "model"], set_=newer), rows)
    hours.mark_posts(session, sorted(mine))
    session.execute(delete(Unscored).where(Unscored.post_id.in_(mine)))
    return len(rows)


def count_free(session: Session, now: datetime, max_attempts: int, at_most: int) -> int:
    """How many could be taken now; counts no further than `at_most`."""
    free = select(Unscored.post_id).where(_free(now, max_attempts)).limit(at_most)
    return int(session.scalar(select(func.count()).select_from(free.subquery())) or 0)


def waiting(session: Session, max_attempts: int) -> Waiting:
    parked = func.count().filter(Unscored.attempts >= max_attempts, Unscored.lease_until.is_not(None))
    count, parked_count = session.execute(select(func.count(), parked).select_from(Unscored)).one()
    return Waiting(count - parked_count, parked_count)


def _free(now: datetime, max_attempts: int) -> ColumnElement[bool]:
    nobody = or_(Unscored.lease_until.is_(None), leases.has_ended(Unscored.lease_until, now))
    return nobody & (Unscored.attempts < max_attempts)


def _named(scores: list[float]) -> dict[str, float]:
    negative, neutral, positive = scores
    return {"negative": negative, "neutral": neutral, "positive": positive}
