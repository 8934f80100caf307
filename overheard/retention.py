"""Posts are kept for so many days, and no longer."""

from datetime import datetime, timedelta

from sqlalchemy import select

from overheard.settings import Retention
from overheard.store import posts
from overheard.store.database import Database
from overheard.store.tables.heard import Post

AT_ONCE = 2_000  # writers wait for each other, so a transaction is short


def purge(database: Database, keep: Retention, now: datetime) -> int:
    """Delete posts that were heard too long ago, with their mentions and scores; the counts of their hours stay.

    Returns how many there were.
    """
    with database.read() as session:
        sources = list(session.scalars(select(Post.source).distinct()))
    return sum(_purge(database, source, now - timedelta(days=keep.days(source))) for source in sources)


def _purge(database: Database, source: str, until: datetime) -> int:
    old = select(Post.id).where(Post.source == source, Post.heard_at < until).order_by(Post.id).limit(AT_ONCE)
    count = 0
    while True:
        with database.read() as session:  # a long look, and a writer that waits for nobody
            ids = list(session.scalars(old))
        if not ids:
            return count
        with database.write() as session:
            count += posts.remove(session, ids, counted_anew=False)
