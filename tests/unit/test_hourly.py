"""Hourly means for MLflow: of what was heard and of what callers were told, once per hour."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from overheard.store import hourly, hours
from overheard.store.database import Database
from overheard.store.tables.counts import Hour
from overheard.store.tables.heard import Brand
from worker.tally import Tally

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1, minutes=20)


def test_an_hour_is_told_once_when_it_has_settled(either: Database) -> None:
    with either.write() as session:
        brand = Brand(name="a", name_key="a", spec={}, created_at=NOON, updated_at=NOON)
        session.add(brand)
        session.flush()
        common = {"brand_id": brand.id, "hour": NOON, "moments": b"", "sum_neutral": 1.0}
        session.add(Hour(**common, source="x", model="m1", posts=3, sum_positive=2.0))
        session.add(Hour(**common, source="rss", model="m2", posts=1))
        session.add(Hour(**common, source="rss", model="", posts=5))
        hourly.count_calls(session, NOON, "m1", 10, np.array([5.0, 3.0, 2.0]))
    with either.read() as session:
        assert hourly.untold(session, NOON + timedelta(hours=1, minutes=10)) == []
        heard, called = hourly.untold(session, LATER)
    assert (heard.about, heard.count, heard.means) == ("posts", 4, pytest.approx((0, 0.5, 0.5)))
    assert (called.about, called.count, called.means) == ("calls", 10, pytest.approx((0.5, 0.3, 0.2)))
    with either.write() as session:
        hourly.tell(session, [NOON, NOON], LATER)
    with either.read() as session:
        assert hourly.untold(session, LATER) == []


def test_what_many_calls_were_told_adds_up(either: Database) -> None:
    tallies = [Tally(either), Tally(either)]
    before = hours.start(datetime.now(UTC))
    for tally in tallies:
        for _ in range(3):
            tally.add("m1", np.array([[0.2, 0.3, 0.5], [1, 0, 0]], np.float32))
        tally.add("m1", np.zeros((0, 3), np.float32))
        tally.keep()
        tally.keep()
    with either.read() as session:
        told = hourly.untold(session, before + timedelta(hours=3))
    assert sum(one.count for one in told) == 12
    assert told[0].means == pytest.approx((0.6, 0.15, 0.25))
