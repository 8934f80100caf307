"""Posts are kept for so many days, and no longer."""

from datetime import datetime, timedelta

from sqlalchemy import select

from overheard.settings import Retention
from overheard.store import posts
from overheard.store.database import Database
from overheard.store.hours import start
from overheard.store.tables import Post

AT_ONCE = 2_000  # writers wait for each other, so a transaction is short


def purge(database: Database, keep: Retention, now: datetime) -> int:
    """Delete posts that are too old, with their mentions and scores; the counts of their hours stay as they were.

    Returns how many there were.
    """
    with database.read() as session:
        sources = list(session.scalars(select(Post.source).distinct()))
    return sum(_purge(database, source, start(now - timedelta(days=keep.days(source)))) for source in sources)


def _purge(database: Database, source: str, until: datetime) -> int:
    old = select(Post.id).where(Post.source == source, Post.posted_at < until).order_by(Post.posted_at).limit(AT_ONCE)
    count = 0
    while True:
        with database.write() as session:
            ids = list(session.scalars(old))
            count += posts.remove(session, ids, counted_anew=False)
        if len(ids) < AT_ONCE:
            return count
