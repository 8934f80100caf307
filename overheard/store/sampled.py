"""Some of a brand's posts of a period, each as likely as the others, with their scores: bounded, whatever there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from overheard.store.dialect import sliced
from overheard.store.tables.heard import Mention, Post, Score

_RANGE: Final = 2**31
_GOLDEN: Final = 1_640_531_527  # the golden section of the range, and odd: neighbours' ids come to lie far apart


@dataclass(frozen=True)
class Sampled:
    """A post. model: the version that read it last, or the one that was asked for; empty, with scores of 0: none."""

    id: int
    source: str
    author: str
    text: str
    language: str
    reach: int
    model: str
    scores: tuple[float, float, float]


def posts(
    session: Session, brand_id: int, since: datetime, until: datetime, at_most: int, model: str | None = None
) -> list[Sampled]:
    """Drawn by a hash of their ids: asking again draws the same. model: whose scores count; None: the newest."""
    mine = (Mention.brand_id == brand_id, Mention.posted_at >= since, Mention.posted_at < until)
    count = session.scalar(select(func.count()).select_from(Mention).where(*mine)) or 0
    chosen = select(Mention.post_id).where(*mine)
    if count > at_most:
        place = Mention.post_id % _RANGE * _GOLDEN % _RANGE
        chosen = chosen.where(place < _RANGE * at_most // count)
    ids = session.scalars(chosen.limit(at_most)).all()
    return [_sampled(row) for some in sliced(ids) for row in _read(session, some, model)]


def _read(session: Session, ids: Sequence[int], model: str | None) -> list[Any]:
    columns = (Post.id, Post.source, Post.author, Post.text, Post.language, Post.reach)
    scores = (Score.model, Score.negative, Score.neutral, Score.positive)
    joined = Score.post_id == Post.id
    if model is not None:
        joined &= Score.model == model
    query = select(*columns, *scores).outerjoin(Score, joined).where(Post.id.in_(ids))
    newest = {row.id: row for row in session.execute(query.order_by(Post.id, Score.scored_at, Score.model))}
    return list(newest.values())


def _sampled(row: Row[Any]) -> Sampled:
    scores = (row.negative, row.neutral, row.positive) if row.model else (0.0, 0.0, 0.0)
    return Sampled(row.id, row.source, row.author, row.text, row.language, row.reach, row.model or "", scores)
