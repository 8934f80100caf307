"""Erasure on request: a post, or all that somebody wrote, with scores and labels, and the models that learned of it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from overheard.errors import NotFound
from overheard.privacy import Privacy
from overheard.scoring.text import key
from overheard.store import models, posts
from overheard.store.database import Database
from overheard.store.dialect import inserting
from overheard.store.tables.audits import Audit
from overheard.store.tables.heard import Forgotten, Post
from overheard.store.tables.learning import Label, Unclear

AT_ONCE: Final = 500  # posts: writers wait for each other, so a transaction is short


@dataclass(frozen=True)
class Erased:
    """How many posts and labels there were; models: versions that have trained on one of those labels."""

    posts: int = 0
    labels: int = 0
    models: tuple[str, ...] = ()

    def __add__(self, other: "Erased") -> "Erased":
        seen = dict.fromkeys((*self.models, *other.models))
        return Erased(self.posts + other.posts, self.labels + other.labels, tuple(seen))


def erase_author(database: Database, source: str, author: str, privacy: Privacy, now: datetime) -> Erased:
    """All that this author wrote. author: as the platform names them."""
    written = (Post.source == source) & (Post.author == privacy.author(source, author))
    query = select(Post).where(written).limit(AT_ONCE)
    erased = Erased()
    while True:
        some = _some(database, lambda session: session.scalars(query).all(), privacy, now)
        erased += some
        if some.posts < AT_ONCE:
            return erased


def erase_post(database: Database, post_id: int, privacy: Privacy, now: datetime) -> Erased:
    """Raises NotFound."""

    def find(session: Session) -> Sequence[Post]:
        post = session.get(Post, post_id)
        if post is None:
            raise NotFound("post", str(post_id))
        return [post]

    return _some(database, find, privacy, now)


def _some(database: Database, find: Callable[[Session], Sequence[Post]], privacy: Privacy, now: datetime) -> Erased:
    with database.write() as session:
        found = find(session)
        if not found:
            return Erased()
        keys = {key(post.text) for post in found}
        labels = session.execute(delete(Label).where(Label.text_key.in_(keys))).rowcount  # type: ignore[attr-defined]
        session.execute(delete(Unclear).where(Unclear.text_key.in_(keys)))
        hashes = [{"hash": privacy.post(post.source, post.external_id), "at": now} for post in found]
        session.execute(inserting(session, Forgotten).on_conflict_do_nothing(), hashes)
        seen = tuple(models.taught(session, keys))
        ids = [post.id for post in found]
        _forget_audits(session, ids, keys)
        return Erased(posts.remove(session, ids), labels, seen)


def _forget_audits(session: Session, post_ids: Sequence[int], keys: Collection[str]) -> None:
    """Those of these posts, and of posts with the same text that are no longer kept: a key could be guessed from it."""
    is_orphan = Audit.post_id.is_(None) & Audit.text_key.in_(keys)
    session.execute(delete(Audit).where(Audit.post_id.in_(post_ids) | is_orphan))
