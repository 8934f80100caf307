"""An inspection of a feed: what is new is stored page by page, and whatever goes wrong is written on the feed."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from overheard.brands import key
from overheard.budget import Budget, allowance
from overheard.collectors import collector
from overheard.collectors.base import Page, Post
from overheard.errors import OverheardError, SourceDown
from overheard.privacy import Privacy
from overheard.settings import Settings
from overheard.store import feeds, inspections, posts
from overheard.store.database import Database
from overheard.store.inspections import Held
from overheard.store.tables import Brand

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
        if held is None:
            return
        try:
            self._read(held)
        except OverheardError as error:
            self._fail(held, error)
        except Exception as error:  # a collector's own mistake must not keep other feeds from being heard
            log.exception("feed %s (%s) could not be read", feed_id, held.feed.source)
            self._fail(held, SourceDown(held.feed.source, f"{type(error).__name__}: see the io worker's log"))

    def _read(self, held: Held) -> None:
        feed, now = held.feed, datetime.now(UTC)
        platform = collector(feed.source, self.settings)
        page: Page | None = None
        for page in platform.read(feeds.asked(feed, held.brand), feed.cursor, now, self._allowance(held, now)):
            if (still := self._keep(held, page)) is None:
                return
            held = still
        with self.database.write() as session:
            inspections.finish(session, held, page, datetime.now(UTC))

    def _keep(self, held: Held, page: Page) -> Held | None:
        """None when the feed is another's by now: then this page is, too."""
        now, source = datetime.now(UTC), held.feed.source
        with self.database.write() as session:
            still = inspections.advance(session, held, page, now)
            if still is None:
                return None
            kept = posts.keep(
                session,
                page.posts,
                source=source,
                brands_of=brands_of(session, held.brand),
                feed_id=held.feed.id,
                privacy=self.privacy,
                now=now,
            )
            posts.count_reposts(session, source, page.reposts)
            posts.forget(session, source, page.deleted, self.privacy, now)
        if kept.new or kept.edited:
            self.heard()
        for reason in page.skipped:
            log.warning("feed %s (%s) left out an item: %s", held.feed.id, source, reason)
        return still

    def _fail(self, held: Held, error: OverheardError) -> None:
        log.warning("feed %s: %s", held.feed.id, error)
        with self.database.write() as session:
            inspections.fail(session, held, error, datetime.now(UTC))

    def _allowance(self, held: Held, now: datetime) -> int | None:
        """Paid reads that this inspection may make; None where they are free."""
        budget = budget_of(held.feed.source, self.settings)
        if budget is None:
            return None
        with self.database.read() as session:
            spent = inspections.spent(session, held.feed.source, now)
            sharing = inspections.count_feeds(session, held.feed.source)
        return allowance(budget, spent, held.feed.id, sharing, now)


def budget_of(source: str, settings: Settings) -> Budget | None:
    """None: its reads are free."""
    return Budget(settings.x_monthly_reads, settings.x_read_cost) if source == "x" else None


def brands_of(session: Session, brand: Brand | None) -> Callable[[Post], Sequence[int]]:
    """For whom a post counts: those that it names itself, if they are known, else the feed's brand."""
    ids: dict[str, int] = {}

    def find(post: Post) -> Sequence[int]:
        if not post.brands:
            return [brand.id] if brand else []
        keys = {key(name) for name in post.brands}
        if unknown := keys - ids.keys():
            ids.update(session.execute(select(Brand.name_key, Brand.id).where(Brand.name_key.in_(unknown))).all())
        return [ids[one] for one in sorted(keys) if one in ids]

    return find
