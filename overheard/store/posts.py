"""What was heard: each post once, however often and through however many feeds it comes, with the brands it mentions.

Everything here runs in the caller's transaction, and may run twice: what is known already is recognised by its id.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Integer, delete, literal, select, update
from sqlalchemy.orm import Session

from overheard.collectors.base import Post as Heard
from overheard.privacy import Privacy, masked
from overheard.scoring.text import key, whole
from overheard.store import hours, unscored
from overheard.store.dialect import inserting, sliced
from overheard.store.tables.audits import Audit
from overheard.store.tables.heard import Forgotten, Mention, Post, Score

MAX_TEXT_CHARS: Final = 100_000
MAX_REACH: Final = 2**31 - 1
BrandsOf = Callable[[Heard], Sequence[int]]


@dataclass(frozen=True)
class Kept:
    """How many posts were new, known, edited since; how many mentions are new; how many posts are not wanted back."""

    new: int = 0
    known: int = 0
    edited: int = 0
    mentions: int = 0
    refused: int = 0


@dataclass(frozen=True)
class _Known:
    id: int
    posted_at: datetime
    text: str
    reach: int
    details: dict[str, Any]


def keep(
    session: Session,
    found: Iterable[Heard],
    *,
    source: str,
    brands_of: BrandsOf,
    feed_id: int | None,
    privacy: Privacy,
    now: datetime,
) -> Kept:
    """Store what is new, note what has changed, count it for its brands, and ask for scores.

    brands_of: ids of the brands that a post counts for. A newer edit replaces the text, and its scores with it. A post
    that was forgotten stays so.
    """
    arrived = _unique(_tidy(post, now) for post in found)
    wanted = _without_forgotten(session, arrived, source, privacy)
    new = _insert(session, wanted, source, privacy, now)
    known = _known(session, source, [post_id for post_id in wanted if post_id not in new])
    edited = [post_id for post_id, row in known.items() if _edit(session, row, wanted[post_id])]
    reached = [post_id for post_id, row in known.items() if _reach(session, row, wanted[post_id].reach)]
    unscored.add(session, [row.id for row in new.values()] + [known[post_id].id for post_id in edited])
    rows = new | known
    mentions = _mention(session, rows, wanted, source, brands_of, feed_id)
    hours.mark_posts(session, [known[post_id].id for post_id in {*edited, *reached}])
    return Kept(len(new), len(known), len(edited), mentions, len(arrived) - len(wanted))


def count_reposts(session: Session, source: str, reposts: Mapping[str, int]) -> None:
    """external id -> how often it was reposted, for posts that may be here."""
    known = _known(session, source, list(reposts))
    changed = [row.id for external_id, row in known.items() if _reach(session, row, reposts[external_id])]
    hours.mark_posts(session, changed)


def forget(session: Session, source: str, external_ids: Sequence[str], privacy: Privacy, now: datetime) -> int:
    """Delete posts and their scores, and don't take them back. Returns how many were here."""
    hashes = [{"hash": privacy.post(source, external_id), "at": now} for external_id in set(external_ids)]
    if not hashes:
        return 0
    session.execute(inserting(session, Forgotten).on_conflict_do_nothing(), hashes)
    return remove(session, [row.id for row in _known(session, source, external_ids).values()])


def remove(session: Session, ids: Sequence[int], *, counted_anew: bool = True) -> int:
    """Delete posts with their mentions and scores. Returns how many were here.

    counted_anew: their hours no longer count them. What was merely too old to be kept stays counted.
    """
    if counted_anew:
        hours.mark_posts(session, ids)
    gone = 0
    for some in sliced(ids):
        gone += session.execute(delete(Post).where(Post.id.in_(some))).rowcount  # type: ignore[attr-defined]
    return gone


def _tidy(post: Heard, now: datetime) -> Heard:
    """As every database takes it. A time in the future is a wrong clock's: the post was here now at the latest."""
    text = masked(whole(post.text[:MAX_TEXT_CHARS]).replace("\0", ""))
    external_id = whole(post.external_id).replace("\0", "")
    return replace(
        post,
        external_id=external_id[:512],
        text=text,
        posted_at=min(post.posted_at, now),
        author=whole(post.author).replace("\0", "")[:255],
        language=post.language.split("-")[0].lower()[:8],
        reach=max(0, min(post.reach, MAX_REACH)),
        edited_at=post.edited_at and post.edited_at.astimezone(UTC),
    )


def _unique(posts: Iterable[Heard]) -> dict[str, Heard]:
    """By external id; of a post that came twice the last, for all brands that were named."""
    found: dict[str, Heard] = {}
    for post in posts:
        if before := found.get(post.external_id):
            post = replace(post, brands=tuple(dict.fromkeys((*before.brands, *post.brands))))
        found[post.external_id] = post
    return found


def _without_forgotten(session: Session, arrived: dict[str, Heard], source: str, privacy: Privacy) -> dict[str, Heard]:
    hashes = {privacy.post(source, external_id): external_id for external_id in arrived}
    refused: set[str] = set()
    for some in sliced(list(hashes)):
        refused |= {hashes[gone] for gone in session.scalars(select(Forgotten.hash).where(Forgotten.hash.in_(some)))}
    return {external_id: post for external_id, post in arrived.items() if external_id not in refused}


def _insert(
    session: Session, wanted: dict[str, Heard], source: str, privacy: Privacy, now: datetime
) -> dict[str, _Known]:
    """Those that were not here yet."""
    if not wanted:
        return {}
    rows = [
        {
            "source": source,
            "external_id": post.external_id,
            "author": privacy.author(source, post.author),
            "text": post.text,
            "language": post.language,
            "reach": post.reach,
            "details": _details(post),
            "posted_at": post.posted_at,
            "heard_at": now,
        }
        for post in sorted(wanted.values(), key=lambda post: post.external_id)  # one order for all: no deadlocks
    ]
    insert = inserting(session, Post).on_conflict_do_nothing(index_elements=["source", "external_id"])
    ids = session.execute(insert.returning(Post.id, Post.external_id), rows)
    return {external_id: _Known(row_id, wanted[external_id].posted_at, "", 0, {}) for row_id, external_id in ids}


def _details(post: Heard) -> dict[str, Any]:
    """What there is of it."""
    details = {"url": post.url, "replies_to": post.replies_to, "quotes": post.quotes}
    details["edited_at"] = post.edited_at.isoformat() if post.edited_at else ""
    return {name: value for name, value in details.items() if value}


def _known(session: Session, source: str, external_ids: Sequence[str]) -> dict[str, _Known]:
    found: dict[str, _Known] = {}
    columns = select(Post.external_id, Post.id, Post.posted_at, Post.text, Post.reach, Post.details)
    for some in sliced(external_ids):
        rows = session.execute(columns.where(Post.source == source, Post.external_id.in_(some)))
        found |= {external_id: _Known(*rest) for external_id, *rest in rows}
    return found


def _edit(session: Session, known: _Known, post: Heard) -> bool:
    """Whether the text is another now. Only a later edit counts: pages can come late."""
    details = _details(post)
    if post.text == known.text or details.get("edited_at", "") < known.details.get("edited_at", ""):
        return False
    if not post.edited_at and known.details.get("edited_at"):
        return False
    session.execute(update(Post).where(Post.id == known.id).values(text=post.text, details=details))
    session.execute(delete(Score).where(Score.post_id == known.id))
    was_drawn = update(Audit).where(Audit.post_id == known.id)  # what people said of the old text no longer counts
    session.execute(was_drawn.values(text_key=key(post.text), unclear_at=None))
    return True


def _reach(session: Session, known: _Known, reach: int) -> bool:
    """Whether it was reposted more often meanwhile."""
    if reach <= known.reach:
        return False
    session.execute(update(Post).where(Post.id == known.id).values(reach=min(reach, MAX_REACH)))
    return True


def _mention(
    session: Session,
    rows: Mapping[str, _Known],
    wanted: Mapping[str, Heard],
    source: str,
    brands_of: BrandsOf,
    feed_id: int | None,
) -> int:
    """How many mentions are new. A statement per brand: the database has their posts' times and ids already."""
    by_brand: dict[int, list[int]] = defaultdict(list)
    for external_id, row in rows.items():
        for brand_id in set(brands_of(wanted[external_id])):
            by_brand[brand_id].append(row.id)
    new: list[tuple[int, datetime, str]] = []
    columns = ("brand_id", "posted_at", "post_id", "source", "feed_id")
    for brand_id, ids in sorted(by_brand.items()):
        for some in sliced(sorted(ids)):
            mentions = select(literal(brand_id), Post.posted_at, Post.id, Post.source, literal(feed_id, Integer))
            insert = inserting(session, Mention).from_select(columns, mentions.where(Post.id.in_(some)))
            added = session.execute(insert.on_conflict_do_nothing().returning(Mention.posted_at))
            new += [(brand_id, at, source) for at in added.scalars()]
    hours.mark(session, new)
    return len(new)
