"""Quarters of days add up to what their hours do, wherever points begin, whoever counts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from overheard.aggregates import HOUR, Moments, summary
from overheard.collectors.base import Post as Heard
from overheard.privacy import Privacy
from overheard.scoring.bundle import LABELS
from overheard.store import hours, movements, posts, quarters, series
from overheard.store.database import Database, migrate
from overheard.store.movements import Period
from overheard.store.series import Step
from overheard.store.tables.counts import Hour, Quarter
from overheard.store.tables.heard import Brand, Mention

SINCE = datetime(2026, 3, 16, tzinfo=UTC)
DAYS = 20
"""In which clocks change in Berlin and have changed in New York."""


def counted(brand_id: int) -> list[dict[str, object]]:
    """Rows of hours, some of which are missing."""
    random, rows = np.random.default_rng(1), []
    for hour in range(24 * DAYS):
        for source, model, language in (("x", "old", "en"), ("x", "new", "en"), ("rss", "new", ""), ("rss", "", "de")):
            posts = int(random.poisson(1.5))
            if not posts or (model == "new" and hour < 200):
                continue
            one = summary(random.dirichlet([1, 2, 1], posts if model else 0))
            row = {"brand_id": brand_id, "hour": SINCE + hour * HOUR, "source": source, "model": model}
            row |= {"language": language, "posts": posts, "reach": posts * 2, "moments": b""}
            row |= {f"called_{name}": count for name, count in zip(LABELS, one.called, strict=True)}
            row |= {f"sum_{name}": total for name, total in zip(LABELS, one.sums, strict=True)}
            rows.append(row | ({"moments": one.moments.pack()} if model else {}))
    return rows


@pytest.fixture
def brand_id(either: Database) -> int:
    with either.write() as session:
        brand_id = add_brand(session)
        session.execute(insert(Hour), counted(brand_id))
        sum_up(session)
        return brand_id


def add_brand(session: Session) -> int:
    brand = Brand(name="a", name_key="a", spec={}, created_at=SINCE, updated_at=SINCE)
    session.add(brand)
    session.flush()
    return brand.id


def sum_up(session: Session) -> None:
    """All that was counted."""
    keys = session.execute(select(Hour.brand_id, Hour.hour, Hour.source).distinct())
    quarters.sum_up(session, [tuple(key) for key in keys])


def hear(session: Session, brand_id: int, count: int) -> None:
    """A post in each of so many hours."""
    heard = [Heard(str(hour), f"post {hour}", SINCE + hour * HOUR) for hour in range(count)]
    secret, now = Privacy(b"a secret of the tests"), SINCE + timedelta(days=1)
    posts.keep(session, heard, source="x", brands_of=lambda _: [brand_id], feed_id=None, privacy=secret, now=now)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York", "Australia/Sydney"])
def test_points_are_the_sums_of_their_hours(either: Database, brand_id: int, zone: str) -> None:
    since = SINCE + timedelta(days=2, hours=5)
    times = {step: series.edges(since, since + timedelta(days=15), step, ZoneInfo(zone)) for step in Step}
    with either.read() as session:
        rows = session.scalars(select(Hour).where(Hour.source == "x")).all()
        points = {step: series.read(session, brand_id, times[step], source="x") for step in Step}
        counts = [series.count(session, brand_id, *span, ("x", None)) for span in pairwise(times[Step.day])]
    assert [point.posts for point in points[Step.day]] == counts
    for point in (point for step in Step for point in points[step]):
        own = [row for row in rows if point.since <= row.hour < point.until]
        assert (point.posts, point.reach) == (sum(row.posts for row in own), sum(row.reach for row in own))
        assert point.called["neutral"] == sum(row.called_neutral for row in own)
        assert point.versions.get("new", 0) == sum(row.posts for row in own if row.model == "new")
        assert point.counted.moments.posts == pytest.approx(point.scored)


def test_a_time_is_covered_once_wherever_it_begins(either: Database, brand_id: int) -> None:
    with either.read() as session:
        for first, length in product(range(30, 36), (1, 5, 6, 7, 11, 12, 13, 29, 168)):
            since, until = SINCE + first * HOUR, SINCE + (first + length) * HOUR
            rows = select(func.sum(Hour.posts)).where(Hour.hour >= since, Hour.hour < until)
            assert series.count(session, brand_id, since, until) == (session.scalar(rows) or 0)


def test_when_a_model_began_is_known_to_the_hour(either: Database, brand_id: int) -> None:
    with either.read() as session:
        since, until = SINCE + timedelta(days=1, hours=1), SINCE + timedelta(days=18)
        began = quarters.first_read(session, brand_id, since, until)
        hour = select(func.min(Hour.hour)).where(Hour.model == "new")
        assert list(began) == ["old", "new"]
        assert since <= began["old"] <= since + timedelta(hours=5)
        assert began["new"] == session.scalar(hour)
        moved = movements.why(session, brand_id, Period(SINCE, since), Period(since, until))
        assert (moved.before.posts, moved.versions) == (series_scored(either, brand_id, SINCE, since), ("new", "old"))


def series_scored(database: Database, brand_id: int, since: datetime, until: datetime) -> int:
    with database.read() as session:
        return series.read(session, brand_id, [since, until])[0].scored


def test_whoever_counts_an_hour_sums_up_its_quarter(either: Database) -> None:
    with either.write() as session:
        hear(session, add_brand(session), 9)
    hours.count_all(either)
    assert summed_up(either) == [6, 3]
    with either.write() as session:
        gone = session.scalars(select(Mention.post_id).where(Mention.posted_at >= SINCE + 5 * HOUR)).all()
        hours.mark_posts(session, gone)
        session.execute(delete(Mention).where(Mention.post_id.in_(gone)))
    hours.count_all(either)
    assert summed_up(either) == [5]


def test_two_who_count_hours_of_one_quarter_at_once_lose_nothing(either: Database, brand_id: int) -> None:
    """The second waits for the first, and then reads what it counted."""
    with either.write() as session:
        session.execute(delete(Hour))
        session.execute(delete(Quarter))
        hear(session, brand_id, 2)
    with ThreadPoolExecutor(1) as pool:
        with either.write() as session:
            assert hours.count_some(session, at_most=1) == 1
            second = pool.submit(hours.count_all, either)
            with pytest.raises(TimeoutError):
                second.result(0.5)
        assert second.result(20) == 1
    assert summed_up(either) == [2]


def summed_up(database: Database) -> list[int]:
    with database.read() as session:
        return [int(row) for row in session.scalars(select(Quarter.posts).order_by(Quarter.hour))]


def test_hours_that_were_counted_before_there_were_quarters_are_summed_up(empty_url: str) -> None:
    migrate(empty_url, "0006")
    database = Database(empty_url)
    with database.write() as session:
        brand_id = add_brand(session)
        session.execute(insert(Hour), counted(brand_id))
        old = {"hour": SINCE, "source": "hn", "model": "old", "posts": 2, "moments": b"of an older format"}
        session.execute(insert(Hour), [{"brand_id": brand_id, **old}])
    migrate(empty_url)
    migrated = rows(database)
    with database.write() as session:
        session.execute(delete(Quarter))
        sum_up(session)
    for one, other in zip(migrated, rows(database), strict=True):
        assert one[:-1] == pytest.approx(other[:-1])
        told = [Moments.unpack([moments]).sum() for moments in (one[-1], other[-1])]
        assert told[0].cells.tolist() == told[1].cells.tolist()
        assert told[0].by_called == pytest.approx(told[1].by_called)
    database.engine.dispose()


def rows(database: Database) -> list[tuple]:
    columns = [getattr(Quarter, name) for name in ("posts", *quarters.SUMS, "moments")]
    place = (Quarter.hour, Quarter.source, Quarter.model, Quarter.language)
    with database.read() as session:
        return [tuple(row) for row in session.execute(select(*columns).order_by(*place))]
