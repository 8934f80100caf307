"""A feed is tried out before it is added: one page is asked for, and nothing of it is kept."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final, cast

from overheard.budget import allowance, budget_of
from overheard.collectors import collector
from overheard.collectors.base import Asked, Page, Post, Topic
from overheard.deletions import NO_FEED
from overheard.errors import OverheardError, SourceBusy, SourceDown
from overheard.privacy import masked
from overheard.settings import Settings
from overheard.sources import Source
from overheard.store import inspections
from overheard.store.database import Database

EXAMPLES: Final = 3
EXAMPLE_CHARS: Final = 280
COSTS: Final = 10
"""Paid reads of a trial: X gives no fewer posts at a time."""
PAGES: Final = 5
"""So many may be empty, as where each term is asked for by itself."""
log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """What came of it. posts: on the first page, which may not be all there is; newest_at: of the newest of them.

    examples: texts of some, shortened. reason: why it can't be read, empty where it can. advice: what to do then.
    """

    posts: int = 0
    newest_at: datetime | None = None
    examples: tuple[str, ...] = ()
    reason: str = ""
    advice: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "newest_at": self.newest_at and self.newest_at.isoformat()}


def run(database: Database, settings: Settings, said: Source, about: Topic, now: datetime) -> Trial:
    """Never raises for what a platform does."""
    try:
        posts = _first_posts(database, settings, said, about, now)
    except OverheardError as error:
        return Trial(reason=str(error)[:500], advice=getattr(error, "advice", ""))
    except Exception as error:  # a collector's own mistake
        log.exception("%s could not be tried out", said.source)
        return Trial(reason=str(SourceDown(said.source, f"{type(error).__name__}: see the io worker's log")))
    newest = sorted(posts, key=lambda post: post.posted_at, reverse=True)
    texts = tuple(masked(post.text)[:EXAMPLE_CHARS] for post in newest[:EXAMPLES])
    return Trial(len(newest), newest[0].posted_at if newest else None, texts)


def _first_posts(database: Database, settings: Settings, said: Source, about: Topic, now: datetime) -> Sequence[Post]:
    """Of the first page that has any; what was read is billed, whatever comes after."""
    asked, reads = Asked(about, said.target, said.options), _reads(database, settings, said.source, now)
    with closing(cast(Any, collector(said.source, settings).read(asked, {}, now, reads))) as pages:
        for page in islice(pages, PAGES):
            if page.reads:
                with database.write() as session:
                    inspections.count_reads(session, said.source, NO_FEED, page.reads, now)
            if page.posts:
                return cast(Page, page).posts
    return ()


def _reads(database: Database, settings: Settings, source: str, now: datetime) -> int | None:
    """None where reads are free. Raises SourceBusy where a trial would cost more than today's share has left."""
    budget = budget_of(source, settings)
    if budget is None:
        return None
    with database.read() as session:
        spent = inspections.spent(session, source, now)
        sharing = inspections.count_feeds(session, source) + 1
    if allowance(budget, spent, NO_FEED, sharing, now) < COSTS:
        tomorrow = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        raise SourceBusy(source, f"a trial costs {COSTS} paid reads, and today's share has fewer left", tomorrow)
    return COSTS


def topic_of(told: Mapping[str, Any]) -> Topic:
    """Of what a message says: `terms`, `excluded`, `languages`."""
    return Topic(*(tuple(told[name]) for name in ("terms", "excluded", "languages")))
