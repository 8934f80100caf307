"""An inspection of a feed: what is new is stored page by page, and whatever goes wrong is written on the feed."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.orm import Session

from overheard.brands import key
from overheard.budget import allowance, budget_of
from overheard.collectors import collector
from overheard.collectors.base import Page, Post
from overheard.errors import OverheardError, SourceDown
from overheard.privacy import Privacy
from overheard.settings import Settings
from overheard.store import feeds, inspections, posts
from overheard.store.brands import ids_of
from overheard.store.database import Database
from overheard.store.inspections import Held
from overheard.store.tables.heard import Brand

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listener:
    """What an inspection works with. heard: called after the commit of a page that holds posts to score."""

    database: Database
    settings: Settings
    privacy: Privacy
    heard: Callable[[], None]

    def inspect(self, feed_id: int) -> None:
        """Read what is new on a feed, unless somebody is at it. Never raises for what a platform does."""
        with self.database.write() as session:
            held = inspections.take(session, feed_id, datetime.now(UTC))
        if held is not None:
            _Inspection(self, held).run()


class _Inspection:
    """One inspection of a feed that is held; `_held` is renewed with every page."""

    def __init__(self, listener: Listener, held: Held) -> None:
        self._listener, self._held = listener, held
        self._database, self._settings = listener.database, listener.settings

    def run(self) -> None:
        source = self._held.feed.source
        try:
            self._read()
        except OverheardError as error:
            self._fail(error)
        except Exception as error:  # a collector's own mistake must not keep other feeds from being heard
            log.exception("feed %s (%s) could not be read", self._held.feed.id, source)
            self._fail(SourceDown(source, f"{type(error).__name__}: see the io worker's log"))

    def _read(self) -> None:
        feed, now = self._held.feed, datetime.now(UTC)
        platform = collector(feed.source, self._settings)
        page: Page | None = None
        for page in platform.read(feeds.asked(feed, self._held.brand), feed.cursor, now, self._allowance(now)):
            if not self._keep(page):
                return
        with self._database.write() as session:
            inspections.finish(session, self._held, page, datetime.now(UTC))

    def _keep(self, page: Page) -> bool:
        """False when the feed is another's by now, or paused: then this page is left to whoever reads on."""
        now, feed = datetime.now(UTC), self._held.feed
        with self._database.write() as session:
            still = inspections.advance(session, self._held, page, now)
            if still is None:
                return False
            kept = posts.keep(
                session,
                page.posts,
                source=feed.source,
                brands_of=brands_of(session, self._held.brand),
                feed_id=feed.id,
                privacy=self._listener.privacy,
                now=now,
            )
            posts.count_reposts(session, feed.source, page.reposts)
            posts.forget(session, feed.source, page.deleted, self._listener.privacy, now)
        self._held = still
        if kept.new or kept.edited:
            self._listener.heard()
        for reason in page.skipped:
            log.warning("feed %s (%s) left out an item: %s", feed.id, feed.source, reason)
        return True

    def _fail(self, error: OverheardError) -> None:
        log.warning("feed %s: %s", self._held.feed.id, error)
        with self._database.write() as session:
            inspections.fail(session, self._held, error, datetime.now(UTC))

    def _allowance(self, now: datetime) -> int | None:
        """Paid reads that this inspection may make; None where they are free."""
        feed = self._held.feed
        budget = budget_of(feed.source, self._settings)
        if budget is None:
            return None
        with self._database.read() as session:
            spent = inspections.spent(session, feed.source, now)
            sharing = inspections.count_feeds(session, feed.source)
        return allowance(budget, spent, feed.id, sharing, now)


def brands_of(session: Session, brand: Brand | None) -> Callable[[Post], Sequence[int]]:
    """For whom a post counts: those that it names itself, if they are known, else the feed's brand."""
    ids: dict[str, int] = {}

    def find(post: Post) -> Sequence[int]:
        if not post.brands:
            return [brand.id] if brand else []
        keys = {key(name) for name in post.brands}
        if unknown := keys - ids.keys():
            ids.update(ids_of(session, unknown))
        return [ids[one] for one in sorted(keys) if one in ids]

    return find
