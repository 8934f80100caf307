"""A brand's posts over time: steps in the reader's time zone, sums over sources and models, gaps."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from overheard.store import quarters, series
from overheard.store.database import Database
from overheard.store.series import Step
from overheard.store.tables.counts import Hour
from overheard.store.tables.heard import Brand, Feed, Gap

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 3, 23, tzinfo=UTC)


@pytest.fixture
def brand_id(either: Database) -> int:
    """Two posts in each hour of two weeks, from two sources, and one that has no score yet."""
    with either.write() as session:
        brand = Brand(name="a", name_key="a", spec={}, created_at=MONDAY, updated_at=MONDAY)
        session.add(brand)
        session.flush()
        common = {"brand_id": brand.id, "posts": 1, "moments": b"", "reach": 3}
        for hour in range(14 * 24):
            at = MONDAY + timedelta(hours=hour)
            good, bad = {"called_positive": 1, "sum_positive": 0.8}, {"called_negative": 1, "sum_negative": 0.6}
            session.add(Hour(**common, hour=at, source="x", model="m1", **good))
            session.add(Hour(**common, hour=at, source="rss", model="m2", language="de", **bad))
        session.add(Hour(**common, hour=MONDAY, source="x", model=""))
        session.flush()
        hours = [MONDAY + timedelta(hours=hour) for hour in range(14 * 24)]
        quarters.sum_up(session, [(brand.id, hour, source) for hour in hours for source in ("x", "rss")])
        return brand.id


def test_days_are_those_of_the_time_zone_even_when_clocks_change() -> None:
    edges = series.edges(MONDAY, MONDAY + timedelta(days=8), Step.day, BERLIN)
    assert edges[0] == datetime(2026, 3, 22, 23, tzinfo=UTC)
    lengths = {(after - before) for before, after in pairwise(edges)}
    assert lengths == {timedelta(hours=24), timedelta(hours=23)}
    assert edges[-1] == datetime(2026, 3, 31, 22, tzinfo=UTC)


def test_weeks_begin_on_mondays_and_hours_on_the_hour() -> None:
    weeks = series.edges(MONDAY + timedelta(days=2, hours=5), MONDAY + timedelta(days=9), Step.week, ZoneInfo("UTC"))
    assert weeks == [MONDAY, MONDAY + timedelta(days=7), MONDAY + timedelta(days=14)]
    hours = series.edges(MONDAY + timedelta(minutes=30), MONDAY + timedelta(minutes=90), Step.hour, BERLIN)
    assert hours == [MONDAY, MONDAY + timedelta(hours=1), MONDAY + timedelta(hours=2)]


def test_too_many_points_are_refused() -> None:
    with pytest.raises(ValueError, match="longer steps"):
        series.edges(MONDAY, MONDAY + timedelta(days=365), Step.hour, BERLIN)


def test_points_sum_sources_and_models(either: Database, brand_id: int) -> None:
    times = series.edges(MONDAY, MONDAY + timedelta(days=3), Step.day, ZoneInfo("UTC"))
    with either.read() as session:
        first, second, _ = series.read(session, brand_id, times)
    assert (first.posts, first.scored, first.reach) == (49, 48, 147)
    assert (second.posts, second.called) == (48, {"negative": 24, "neutral": 0, "positive": 24})
    assert second.means == pytest.approx({"negative": 0.3, "neutral": 0, "positive": 0.4})
    with either.read() as session:
        (point, *_) = series.read(session, brand_id, times, source="rss")
    assert (point.posts, point.means and point.means["negative"]) == (24, pytest.approx(0.6))
    with either.read() as session:
        (german, *_) = series.read(session, brand_id, times, language="de")
        (none, *_) = series.read(session, brand_id, times, source="x", language="de")
    assert (german.posts, none.posts) == (24, 0)


def test_the_day_the_clocks_change_has_23_hours(either: Database, brand_id: int) -> None:
    changed = datetime(2026, 3, 29, 12, tzinfo=UTC)
    times = series.edges(changed, changed + timedelta(hours=1), Step.day, BERLIN)
    with either.read() as session:
        (day,) = series.read(session, brand_id, times)
    assert day.posts == 2 * 23


def test_silence_with_a_gap_is_not_called_complete(either: Database, brand_id: int) -> None:
    after = MONDAY + timedelta(days=20)
    with either.write() as session:
        feed = Feed(brand_id=brand_id, source="x", options={}, every_s=60, cursor={}, due_at=MONDAY, created_at=MONDAY)
        session.add(feed)
        session.flush()
        session.add(Gap(feed_id=feed.id, since=after, until=after + timedelta(hours=2), reason="outage"))
    times = series.edges(after - timedelta(days=1), after + timedelta(days=1), Step.day, ZoneInfo("UTC"))
    with either.read() as session:
        before, during = series.read(session, brand_id, times)
        rss = series.read(session, brand_id, times, source="rss")
    assert (before.posts, before.means, before.is_complete) == (0, None, True)
    assert (during.posts, during.is_complete) == (0, False)
    assert all(point.is_complete for point in rss)
