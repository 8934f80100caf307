"""What a platform has deleted is erased here a day later, within the budget; what is too old is not kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from overheard import deletions, retention
from overheard.collectors.base import Post as Heard
from overheard.errors import SourceDown
from overheard.privacy import Privacy
from overheard.settings import Settings
from overheard.store import hours, posts
from overheard.store.database import Database
from overheard.store.tables.counts import Hour
from overheard.store.tables.heard import Brand, Post, Reads

NOW = datetime(2026, 6, 15, 3, tzinfo=UTC)
PRIVACY = Privacy(b"a secret of the tests")


@dataclass
class Forgetful:
    """A platform that has lost some posts."""

    lost: set[str]
    error: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def gone(self, ids: Sequence[str], now: datetime) -> set[str]:
        self.asked += ids
        if self.error:
            raise self.error
        return self.lost & set(ids)


def hear(database: Database, at: datetime, *ids: str, source: str = "x") -> None:
    with database.write() as session:
        brand = session.scalar(select(Brand)) or Brand(name="a", name_key="a", spec={}, created_at=NOW, updated_at=NOW)
        session.add(brand)
        session.flush()
        found = [Heard(post_id, f"text {post_id}", at) for post_id in ids]
        keys = [brand.id]
        posts.keep(session, found, source=source, brands_of=lambda _: keys, feed_id=None, privacy=PRIVACY, now=at)


def kept(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(Post.external_id)))


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Forgetful:
    found = Forgetful({"2", "9"})
    monkeypatch.setattr(deletions, "sources", lambda: ("x", "rss"))
    monkeypatch.setattr(deletions, "collector", lambda source, _: found if source == "x" else object())
    return found


def test_posts_are_looked_up_a_day_later_and_erased_for_good(either: Database, platform: Forgetful) -> None:
    hear(either, NOW - timedelta(hours=30), "1", "2", "3")
    hear(either, NOW - timedelta(hours=2), "9")
    assert deletions.honour(either, Settings(), PRIVACY, NOW) == {"x": 1}
    assert platform.asked == ["1", "2", "3"]
    assert kept(either) == {"1", "3", "9"}
    hear(either, NOW, "2")
    assert kept(either) == {"1", "3", "9"}
    with either.read() as session:
        assert session.scalars(select(Reads.count)).all() == [2]  # X bills for those that exist


def test_look_ups_share_the_budget_and_stop_with_it(either: Database, platform: Forgetful) -> None:
    hear(either, NOW - timedelta(hours=30), *map(str, range(100, 140)))
    deletions.honour(either, Settings(x_monthly_reads=160), PRIVACY, NOW)
    assert len(platform.asked) == 10  # of 16 days, one feed's worth
    platform.asked.clear()
    deletions.honour(either, Settings(x_monthly_reads=160), PRIVACY, NOW)
    assert platform.asked == []


def test_a_platform_that_is_down_keeps_nothing_from_going_on(either: Database, platform: Forgetful) -> None:
    hear(either, NOW - timedelta(hours=30), "2")
    platform.error = SourceDown("x", "502")
    assert deletions.honour(either, Settings(), PRIVACY, NOW) == {}
    assert kept(either) == {"2"}


def test_posts_are_kept_for_so_many_days_and_stay_counted(either: Database) -> None:
    hear(either, NOW - timedelta(days=40), "old", source="x")
    hear(either, NOW - timedelta(days=40), "kept", source="rss")
    hear(either, NOW - timedelta(days=2), "new", source="x")
    hours.count_all(either)
    assert retention.purge(either, Settings(keep_posts="365,x=30").retention, NOW) == 1
    assert kept(either) == {"kept", "new"}
    hours.count_all(either)
    with either.read() as session:
        assert sum(session.scalars(select(Hour.posts))) == 3
