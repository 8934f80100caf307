"""Posts as people look at them: the newest first, each with its newest score and the brands that it mentions."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session, aliased

from overheard.errors import NotFound
from overheard.scoring.bundle import LABELS
from overheard.store.tables.heard import Brand, Mention, Post, Score


@dataclass(frozen=True)
class Listed:
    """score: None while it waits. brands: their names by id."""

    post: Post
    score: Score | None
    brands: dict[int, str]


@dataclass(frozen=True)
class Wanted:
    """Which posts; None: all. called: by the most probable class."""

    brand_id: int | None = None
    source: str | None = None
    called: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def get(session: Session, post_id: int) -> Listed:
    """Raises NotFound."""
    found = _listed(session, _with_scores().where(Post.id == post_id))
    if not found:
        raise NotFound("post", str(post_id))
    return found[0]


def page(session: Session, wanted: Wanted, after: tuple[datetime, int] | None, limit: int) -> list[Listed]:
    """Newest first; `after` is (posted_at, id) of the last post that the caller has."""
    query, at, number = _with_scores(), Post.posted_at, Post.id
    if wanted.brand_id is not None:  # its index has them in order
        query = query.join(Mention, Mention.post_id == Post.id).where(Mention.brand_id == wanted.brand_id)
        at, number = Mention.posted_at, Mention.post_id
    if after:
        query = query.where(or_(at < after[0], and_(at == after[0], number < after[1])))
    query = query.where(*_conditions(wanted, at)).order_by(at.desc(), number.desc()).limit(limit)
    return _listed(session, query)


def _with_scores() -> Select[Post, Score]:
    other = aliased(Score)
    newest = select(other.model).where(other.post_id == Post.id)
    newest = newest.order_by(other.scored_at.desc(), other.model.desc()).limit(1)
    return select(Post, Score).outerjoin(
        Score, and_(Score.post_id == Post.id, Score.model == newest.correlate(Post).scalar_subquery())
    )


def _conditions(wanted: Wanted, at: Any) -> Iterable[ColumnElement[bool]]:
    if wanted.source:
        yield Post.source == wanted.source
    if wanted.since:
        yield at >= wanted.since
    if wanted.until:
        yield at < wanted.until
    if wanted.called:
        most = getattr(Score, wanted.called)
        for other in LABELS:
            if other != wanted.called:
                yield most > getattr(Score, other)


def _listed(session: Session, query: Select[Post, Score]) -> list[Listed]:
    rows = session.execute(query).all()
    mentioned = Mention.post_id.in_([post.id for post, _ in rows])
    named = select(Mention.post_id, Brand.id, Brand.name).join(Brand, Brand.id == Mention.brand_id).where(mentioned)
    brands: dict[int, dict[int, str]] = defaultdict(dict)
    for post_id, brand_id, name in session.execute(named.order_by(Brand.name_key)):
        brands[post_id][brand_id] = name
    return [Listed(post, score, brands[post.id]) for post, score in rows]
