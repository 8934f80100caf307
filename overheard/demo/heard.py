"""The demo's brands as an installation hears them: before it has any of its own, and never again once they are deleted.

Their posts are dated back from the moment they were first kept. Each brand has a feed that its posts came by, so that
all of it goes with the brand, and one gap, where its stream is silent for longest.
"""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from overheard import demo, sources
from overheard.brands import Spec
from overheard.collectors import PUSHED
from overheard.collectors.base import Post
from overheard.demo import DemoPost
from overheard.privacy import Privacy
from overheard.store import brands, feeds, posts
from overheard.store.database import Database
from overheard.store.tables.heard import Feed, Gap

FEED: Final = "overheard-demo"
SOURCE: Final = "demo-"
"""Before the platform's name: nobody must look such a post up there."""
GAP_REASON: Final = "part of the demo: its stream was away, so silence is not calm"
EVERY_S: Final = 3600


def ids(session: Session) -> set[int]:
    """Of the demo's brands, if they are still here."""
    found = session.scalars(select(Feed.brand_id).where(Feed.source == PUSHED, Feed.target == FEED))
    return {brand_id for brand_id in found if brand_id is not None}


def keep(database: Database, privacy: Privacy, memory: Path, now: datetime) -> bool:
    """Have the installation hear the demo, unless it has brands of its own or had the demo before.

    memory: a file that remembers the latter; a demo that was cut off is completed, with the dates that it began with.
    Returns whether there is anything new to score.
    """
    told: dict[str, Any] = {"until": now.isoformat(), "is_whole": False}
    if memory.exists():
        told = json.loads(memory.read_text())
    with database.read() as session:
        others = {brand.id for brand in brands.page(session, None, 3)} - ids(session)
    if told["is_whole"] or others:
        return False
    memory.write_text(json.dumps(told))
    until = datetime.fromisoformat(told["until"])
    stream = demo.posts()
    for name, _ in (
        counted := Counter(post.brand for post in stream)
    ).most_common():  # the first is what pages open with
        rivals = tuple(other for other in counted if other != name)
        own = [post for post in stream if post.brand == name]
        with database.write() as session:
            _keep_brand(session, name, rivals, own, until, privacy, now)
    memory.write_text(json.dumps({**told, "is_whole": True}))
    return True


def _keep_brand(
    session: Session,
    name: str,
    rivals: tuple[str, ...],
    stream: Sequence[DemoPost],
    until: datetime,
    privacy: Privacy,
    now: datetime,
) -> None:
    """In one transaction: a brand with half its posts would be there for good."""
    brand, _ = brands.add(session, name, Spec.read({"competitors": rivals}), now)
    feed, is_new = feeds.add(session, brand.id, sources.parse(f"{PUSHED}:{FEED}"), EVERY_S, now)
    if is_new:
        feeds.pushed(session, feed.id, now)
        since, end = _silence([until - timedelta(minutes=post.offset_minutes) for post in stream])
        session.add(Gap(feed_id=feed.id, since=since, until=end, reason=GAP_REASON, is_final=True))
    for source, group in groupby(sorted(stream, key=lambda post: post.source), key=lambda post: post.source):
        posts.keep(
            session,
            [_heard(post, until) for post in group],
            source=SOURCE + source,
            brands_of=lambda _: [brand.id],
            feed_id=feed.id,
            privacy=privacy,
            now=now,
        )


def _heard(post: DemoPost, until: datetime) -> Post:
    at = until - timedelta(minutes=post.offset_minutes)
    return Post(post.external_id, post.text, at, author=post.author, language=post.lang, reach=post.reach)


def _silence(times: Sequence[datetime]) -> tuple[datetime, datetime]:
    """The longest stretch without a post, less a minute at both ends."""
    begin, end = max(pairwise(sorted(times)), key=lambda span: span[1] - span[0])
    minute = timedelta(minutes=1)
    return (begin + minute).astimezone(UTC), (end - minute).astimezone(UTC)
