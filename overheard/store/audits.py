"""What people say of the posts that were drawn for them to check: asked one after the other, answered, taken back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from overheard.errors import Conflict, NotFound
from overheard.store import labels
from overheard.store.labels import NewLabel, Purpose
from overheard.store.tables.audits import Audit
from overheard.store.tables.heard import Brand, Post
from overheard.store.tables.learning import Label


@dataclass(frozen=True)
class Question:
    """A post that was drawn, as people are to judge it: without what the model says."""

    audit: Audit
    post: Post
    brand: str


@dataclass(frozen=True)
class Questions:
    """The next ones; left: how many there are in all."""

    next: list[Question]
    left: int


def ask(session: Session, brand_id: int | None, limit: int) -> Questions:
    """Posts without an answer, those of the oldest draw first, in random order; each text once.

    The order is that of the ids: posts were drawn in random order, so the answered ones are a random sample even where
    not all are.
    """
    open_ids = _open(brand_id).subquery()
    query = (
        select(Audit, Post, Brand.name)
        .join(open_ids, open_ids.c.id == Audit.id)
        .join(Post, Post.id == Audit.post_id)
        .join(Brand, Brand.id == Audit.brand_id)
        .order_by(Audit.draw_id, Audit.id)
        .limit(limit)
    )
    found = [Question(*row) for row in session.execute(query)]
    return Questions(found, session.scalar(select(func.count()).select_from(open_ids)) or 0)


def _open(brand_id: int | None) -> Select[Any]:
    """Ids of the first audit of each text that nobody has judged and that is still kept."""
    labelled = select(Label.id).where(Label.text_key == Audit.text_key, Label.purpose == Purpose.audit).exists()
    query = select(func.min(Audit.id).label("id")).where(
        Audit.post_id.is_not(None), Audit.unclear_at.is_(None), ~labelled
    )
    if brand_id is not None:
        query = query.where(Audit.brand_id == brand_id)
    return query.group_by(Audit.text_key)


def answer(session: Session, audit_id: int, label: int | None, by: str, now: datetime) -> None:
    """Keep what a person says of this text, wherever it was drawn; None: they can't tell.

    Raises NotFound, Conflict when the post is no longer kept. Saying it again changes nothing.
    """
    audit = _get(session, audit_id)
    post = session.get(Post, audit.post_id) if audit.post_id else None
    if post is None:
        raise Conflict(f"the post of audit {audit_id} is no longer kept")
    if label is None:
        _take_back(session, audit.text_key, by)
    else:
        brand = session.get_one(Brand, audit.brand_id)
        labels.save(session, [NewLabel(post.text, label, Purpose.audit, post.source, brand.name)], by, now)
    _set_unclear(session, audit.text_key, now if label is None else None)


def take_back(session: Session, audit_id: int, by: str) -> None:
    """Forget what this person said of this text: it is asked again. Raises NotFound."""
    audit = _get(session, audit_id)
    _take_back(session, audit.text_key, by)
    _set_unclear(session, audit.text_key, None)


def _get(session: Session, audit_id: int) -> Audit:
    if (audit := session.get(Audit, audit_id)) is None:
        raise NotFound("audit", str(audit_id))
    return audit


def _take_back(session: Session, text_key: str, by: str) -> None:
    mine = (Label.text_key == text_key, Label.labelled_by == by, Label.purpose == Purpose.audit)
    session.execute(delete(Label).where(*mine))


def _set_unclear(session: Session, text_key: str, at: datetime | None) -> None:
    session.execute(update(Audit).where(Audit.text_key == text_key).values(unclear_at=at))
