"""What models say of posts: the newest word counts."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from overheard.store.dialect import sliced
from overheard.store.tables.heard import Score


def newest(session: Session, post_ids: Sequence[int]) -> dict[int, Score]:
    """By post; without those that wait for one."""
    found: dict[int, Score] = {}
    for some in sliced(post_ids):
        query = select(Score).where(Score.post_id.in_(some)).order_by(Score.scored_at, Score.model)
        found |= {score.post_id: score for score in session.scalars(query)}
    return found
