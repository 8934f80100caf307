"""When another model comes to serve, it reads some of what the one before read: so what it reads otherwise is known."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from overheard.store import unscored
from overheard.store.tables.heard import Brand, Mention, Score, Unscored
from overheard.store.tables.learning import Champion

SPAN: Final = timedelta(days=7)
POSTS: Final = 2_000
"""Of a brand, the newest: within a point of what the two say otherwise on average."""


def brand_ids(session: Session, chosen: Champion, now: datetime) -> Sequence[int]:
    """The brands whose posts are to be read anew; none when the change is as long ago as the posts may be."""
    return session.scalars(select(Brand.id).order_by(Brand.id)).all() if now - chosen.changed_at < SPAN else ()


def ask(session: Session, brand_id: int, chosen: Champion) -> int:
    """Have the champion read the posts that were heard before it served and that another version read; how many.

    Those that wait already are left to wait, and those that it has read since are done: asking again costs nothing.
    """
    since, until = chosen.changed_at - SPAN, chosen.changed_at
    mine = (Mention.brand_id == brand_id, Mention.posted_at >= since, Mention.posted_at < until)
    newest = select(Mention.post_id).where(*mine).order_by(Mention.posted_at.desc()).limit(POSTS).subquery()
    other, own = aliased(Score), aliased(Score)
    post_id = newest.c.post_id
    is_read = select(other.post_id).where(other.post_id == post_id, other.model != chosen.version).exists()
    is_done = (
        select(own.post_id)
        .where(own.post_id == post_id, own.model == chosen.version, own.scored_at >= chosen.changed_at)
        .exists()
    )
    waits = select(Unscored.post_id).where(Unscored.post_id == post_id).exists()
    ids = list(session.scalars(select(post_id).where(is_read, ~is_done, ~waits)))
    unscored.add(session, ids)
    return len(ids)
