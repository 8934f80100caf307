"""Feeds: where posts on a brand come from, how each of them does, and what it is to do next."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.orm import Session

from overheard import sources
from overheard.brands import topic
from overheard.collectors import PUSHED
from overheard.collectors.base import Asked, Topic
from overheard.errors import Conflict, NotFound
from overheard.sources import Source
from overheard.store.brands import spec_of
from overheard.store.dialect import inserting
from overheard.store.tables.heard import Brand, Feed, Gap

NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""When a feed is due that nobody inspects: its posts come by themselves."""
LEAST_S: Final = 10
MOST_S: Final = 7 * 86_400
"""A platform that forgets, forgets what is older than a week."""


class State(StrEnum):
    """How a feed does; see `overheard.store.tables.Feed`."""

    new = "new"
    ok = "ok"
    busy = "busy"
    down = "down"
    refused = "refused"
    paused = "paused"


@dataclass(frozen=True)
class Listed:
    """A feed, its brand if it has one, and how many of its gaps may still be filled."""

    feed: Feed
    brand: Brand | None
    open_gaps: int


def asked(feed: Feed, brand: Brand | None) -> Asked:
    """What its collector is asked."""
    return Asked(topic(brand.name, spec_of(brand)) if brand else Topic(()), feed.target, feed.options)


def add(session: Session, brand_id: int | None, said: Source, every_s: int, now: datetime) -> tuple[Feed, bool]:
    """The feed, and whether it is new: adding it again changes nothing. It is due at once.

    Raises Conflict when it is there with other options.
    """
    row = {
        "brand_id": brand_id,
        "source": said.source,
        "target": said.target,
        "options": dict(said.options),
        "every_s": every_s,
        "cursor": {},
        "due_at": NEVER if said.is_pushed else now,
        "created_at": now,
    }
    made = session.scalar(inserting(session, Feed).values(row).on_conflict_do_nothing().returning(Feed.id))
    feed = session.scalar(select(Feed).where(_is(brand_id, said)))
    if feed is None:  # removed between the two
        raise Conflict(f"feed {said} is being changed: send again")
    if feed.options != said.options:
        raise Conflict(f"feed {feed.id} is {sources.of_row(feed)} already: change it with PATCH /feeds/{feed.id}")
    return feed, made is not None


def _is(brand_id: int | None, said: Source) -> Any:
    of_brand = Feed.brand_id.is_(None) if brand_id is None else Feed.brand_id == brand_id
    return and_(of_brand, Feed.source == said.source, Feed.target == said.target)


def get(session: Session, feed_id: int) -> Feed:
    """Raises NotFound."""
    return _found(session.get(Feed, feed_id), feed_id)


def locked(session: Session, feed_id: int) -> Feed:
    """To change it. Raises NotFound."""
    return _found(session.get(Feed, feed_id, with_for_update=True), feed_id)


def _found(feed: Feed | None, feed_id: int) -> Feed:
    if feed is None:
        raise NotFound("feed", str(feed_id), "GET /feeds lists them")
    return feed


def shown(session: Session, feed_id: int) -> Listed:
    """Raises NotFound."""
    return _listed(session, [get(session, feed_id)])[0]


def page(session: Session, brand_id: int | None, after: tuple[datetime, int] | None, limit: int) -> list[Listed]:
    """Newest first, of one brand or of all; `after` is (created_at, id) of the last feed that the caller has."""
    query = select(Feed).order_by(Feed.created_at.desc(), Feed.id.desc()).limit(limit)
    if brand_id is not None:
        query = query.where(Feed.brand_id == brand_id)
    if after:
        at, feed_id = after
        query = query.where(or_(Feed.created_at < at, and_(Feed.created_at == at, Feed.id < feed_id)))
    return _listed(session, session.scalars(query).all())


def of_brand(session: Session, brand_id: int) -> list[Feed]:
    return list(session.scalars(select(Feed).where(Feed.brand_id == brand_id).order_by(Feed.source, Feed.target)))


def _listed(session: Session, feeds: Sequence[Feed]) -> list[Listed]:
    of_these = Gap.feed_id.in_([feed.id for feed in feeds])
    is_open = and_(Gap.filled_at.is_(None), Gap.is_final.is_(False))
    counted = select(Gap.feed_id, func.count()).where(of_these, is_open).group_by(Gap.feed_id)
    gaps = dict(session.execute(counted).all())
    named = {feed.brand_id for feed in feeds}
    brands = {brand.id: brand for brand in session.scalars(select(Brand).where(Brand.id.in_(named)))}
    return [Listed(feed, brands.get(feed.brand_id or 0), gaps.get(feed.id, 0)) for feed in feeds]


def pause(feed: Feed) -> None:
    """Let nobody inspect it. What it heard stays; an inspection that is under way may still end."""
    feed.state = State.paused


def resume(feed: Feed, now: datetime) -> None:
    """Have it inspected now, from where it stopped. Resuming what is not paused changes nothing."""
    if feed.state == State.paused:
        feed.state = State.ok if feed.inspected_at else State.new
        feed.problem, feed.failures = None, 0
        feed.due_at = NEVER if sources.of_row(feed).is_pushed else now


def inspect(feed: Feed, now: datetime) -> None:
    """Make it due now. Raises Conflict when it is paused, or its posts come by themselves."""
    if sources.of_row(feed).is_pushed:
        raise Conflict(f"feed {feed.id} is not inspected: its posts come by themselves, to POST /webhooks/{feed.id}")
    if feed.state == State.paused:
        raise Conflict(f"feed {feed.id} is paused: resume it, and it is inspected at once")
    feed.due_at = now


def change_every(feed: Feed, every_s: int, now: datetime) -> None:
    """How often it is inspected. A shorter time counts from now; a platform that said when to come back is obeyed."""
    feed.every_s = every_s
    if feed.state != State.busy:
        feed.due_at = min(feed.due_at, now + timedelta(seconds=every_s)) if feed.due_at != NEVER else NEVER


def change_options(feed: Feed, options: Mapping[str, str], now: datetime) -> None:
    """Read it otherwise, as by other columns, and from its beginning: what is known already is recognised.

    An inspection that is under way loses its lease: it would write down how far it came by the old ones.
    """
    if dict(options) != feed.options:
        feed.options, feed.cursor, feed.due_at, feed.lease_until = dict(options), {}, now, None


def remove(session: Session, feed_id: int) -> None:
    """Delete a feed and its gaps; what it heard stays. Raises NotFound."""
    if not session.execute(delete(Feed).where(Feed.id == feed_id)).rowcount:  # type: ignore[attr-defined]
        raise NotFound("feed", str(feed_id), "GET /feeds lists them")


def webhook(session: Session, id_or_name: str) -> Feed | None:
    """The feed that takes pushed posts, by its id or its name. Raises Conflict when several have the name."""
    is_pushed = Feed.source == PUSHED
    named = Feed.id == int(id_or_name) if id_or_name.isdecimal() else Feed.target == id_or_name
    found = session.scalars(select(Feed).where(is_pushed, named).order_by(Feed.id).limit(2)).all()
    if len(found) > 1:
        raise Conflict(f"several brands have a webhook {id_or_name!r}: send to its number, as GET /feeds lists it")
    return found[0] if found else None


def pushed(session: Session, feed_id: int, now: datetime) -> None:
    """Note that posts came by themselves. Raises NotFound."""
    feed = locked(session, feed_id)
    feed.inspected_at = now
    if feed.state != State.paused:
        feed.state = State.ok


def gaps(session: Session, feed_id: int, after: tuple[datetime, int] | None, limit: int) -> list[Gap]:
    """A feed's gaps, the newest first; `after` is (since, id) of the last that the caller has."""
    query = select(Gap).where(Gap.feed_id == feed_id).order_by(Gap.since.desc(), Gap.id.desc()).limit(limit)
    if after:
        since, gap_id = after
        query = query.where(or_(Gap.since < since, and_(Gap.since == since, Gap.id < gap_id)))
    return list(session.scalars(query))


def remove_others(session: Session, brand_id: int, wanted: Iterable[Source]) -> list[Source]:
    """Delete the brand's feeds that are not among these, whatever their options; what they were."""
    kept = {(said.source, said.target) for said in wanted}
    others = [feed for feed in of_brand(session, brand_id) if (feed.source, feed.target) not in kept]
    for feed in others:
        session.delete(feed)
    session.flush()
    return [sources.of_row(feed) for feed in others]
