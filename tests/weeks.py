"""Two weeks of posts on a brand, read by a model that errs, and people who know better."""

from datetime import UTC, datetime, timedelta

import numpy as np

from overheard.collectors.base import Post as Heard
from overheard.privacy import Privacy
from overheard.store import audits, draws, hours, posts, unscored
from overheard.store.database import Database
from overheard.store.parts import Answer
from overheard.store.tables.heard import Brand

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = timedelta(days=7)
PRIVACY = Privacy(b"a secret of the tests")


def two_weeks(database: Database) -> int:
    """Two weeks with 400 posts each, before MONDAY and after it. The model calls a third of them negative, half of
    those wrongly: really a sixth is."""
    random = np.random.default_rng(3)
    with database.write() as session:
        brand = Brand(name="zephyr", name_key="zephyr", spec={}, created_at=MONDAY, updated_at=MONDAY)
        session.add(brand)
        session.flush()
        brand_id = brand.id
        found = [
            Heard(str(n), f"{'awful' if n % 6 == 0 else 'fine'} {n}", MONDAY - WEEK + n * timedelta(minutes=25.2))
            for n in range(800)
        ]
        for source in ("x", "rss"):
            mine = [post for post in found if (int(post.external_id) % 4 == 0) == (source == "rss")]
            posts.keep(
                session,
                mine,
                source=source,
                brands_of=lambda _: [brand_id],
                feed_id=None,
                privacy=PRIVACY,
                now=MONDAY + WEEK,
            )
        work = unscored.take(session, MONDAY, lease_s=30, max_attempts=3, at_most=1000)
        assert work
        calls_it_bad = np.array([int(text.split()[1]) % 3 == 0 for text in work.texts])
        sure = random.uniform(0.6, 0.9, len(work.ids))
        bad = np.where(calls_it_bad, sure, (1 - sure) / 2)
        scores = np.stack([bad, (1 - bad) * 0.2, (1 - bad) * 0.8], axis=1).astype(np.float32)
        unscored.give_back(session, work, Answer(scores, "m1"), MONDAY)
        while hours.count_some(session):
            pass
    return brand_id


def judge(database: Database, brand_id: int, at: datetime, count: int = 120) -> None:
    """Draw of the week before, and answer as the texts say."""
    draws.draw(database, brand_id, at - WEEK, at, count, at)
    with database.write() as session:
        for one in audits.ask(session, brand_id, 1000).next:
            label = 0 if one.post.text.startswith("awful") else 2
            audits.answer(session, one.audit.id, label, "ann", at)
