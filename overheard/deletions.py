"""Posts that their platform no longer has are erased here, too: each is looked up once, a day after it was heard."""

import logging
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from overheard.budget import allowance, budget_of
from overheard.collectors import collector, sources
from overheard.collectors.base import Lookup
from overheard.errors import OverheardError
from overheard.privacy import Privacy
from overheard.settings import Settings
from overheard.store import inspections, posts
from overheard.store.database import Database
from overheard.store.tables.heard import Post

DAY: Final = timedelta(days=1)
NO_FEED: Final = 0
"""Under which number look-ups are billed: they share the budget like one more feed."""
AT_ONCE: Final = 500
log: Final = logging.getLogger(__name__)


def honour(database: Database, settings: Settings, privacy: Privacy, now: datetime) -> dict[str, int]:
    """Look up what was heard between two days and one day ago. Returns how many posts of each source were gone.

    Where reads cost money only as many are looked up as a feed might read. A source that fails is left for tomorrow.
    """
    found: dict[str, int] = {}
    for source in sources():
        platform = collector(source, settings)
        if isinstance(platform, Lookup):
            try:
                found[source] = _honour(database, settings, source, platform, privacy, now)
            except OverheardError as error:
                log.warning("deletions: %s", error)
    return found


def _honour(
    database: Database, settings: Settings, source: str, platform: Lookup, privacy: Privacy, now: datetime
) -> int:
    ids, gone = _heard(database, settings, source, now), 0
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        missing = platform.gone(some, now)
        with database.write() as session:
            if budget_of(source, settings):
                inspections.count_reads(session, source, NO_FEED, len(some) - len(missing), now)
            gone += posts.forget(session, source, sorted(missing), privacy, now)
    return gone


def _heard(database: Database, settings: Settings, source: str, now: datetime) -> list[str]:
    """Ids to look up: all of that day, or as many as the budget allows."""
    heard = select(Post.external_id).where(Post.source == source, Post.heard_at >= now - 2 * DAY)
    heard = heard.where(Post.heard_at < now - DAY).order_by(Post.id)
    with database.read() as session:
        if budget := budget_of(source, settings):
            sharing = inspections.count_feeds(session, source) + 1
            spent = inspections.spent(session, source, now)
            heard = heard.limit(allowance(budget, spent, NO_FEED, sharing, now))
        return list(session.scalars(heard))
