"""Shares over time: counted posts, corrected by what people said of a sample of them, or of the weeks around."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import select, update

from overheard.estimates import Method
from overheard.store import counted, hours, shares, unscored
from overheard.store.database import Database
from overheard.store.parts import Answer
from overheard.store.shares import Estimated
from overheard.store.tables.audits import Audit
from overheard.store.tables.heard import Brand, Post
from overheard.store.tables.learning import Model
from tests.weeks import MONDAY, WEEK, judge, two_weeks


@pytest.fixture
def brand_id(either: Database) -> int:
    return two_weeks(either)


def read(
    database: Database, brand_id: int, *times: datetime, source: str | None = None
) -> tuple[list[Estimated], Estimated]:
    with database.read() as session:
        return shares.read(session, brand_id, times, source)


def negative(one: Estimated) -> float:
    assert one.estimate.shares[0].point is not None
    return one.estimate.shares[0].point


def test_a_share_is_that_of_the_audits_and_not_that_of_the_model(either: Database, brand_id: int) -> None:
    judge(either, brand_id, MONDAY)
    (week,), total = read(either, brand_id, MONDAY - WEEK, MONDAY)
    assert (week.point.posts, week.point.scored, week.point.versions) == (400, 400, {"m1": 400})
    assert (week.estimate.method, week.estimate.audits) == (Method.audited, 120)
    assert week.point.called["negative"] == pytest.approx(133, abs=2)
    share = week.estimate.shares[0]
    assert share.low is not None
    assert share.high is not None
    assert share.low < 1 / 6 < share.high < 0.3
    assert total.estimate == week.estimate


def test_a_week_without_audits_is_corrected_by_those_nearby_and_is_less_sure(either: Database, brand_id: int) -> None:
    (alone,), _ = read(either, brand_id, MONDAY, MONDAY + WEEK)
    assert (alone.estimate.method, alone.estimate.audits) == (Method.corrected, 0)
    judge(either, brand_id, MONDAY)
    (before, after), total = read(either, brand_id, MONDAY - WEEK, MONDAY, MONDAY + WEEK)
    assert (before.estimate.method, after.estimate.method) == (Method.audited, Method.nearby)
    assert negative(after) == pytest.approx(1 / 6, abs=0.1)
    assert total.estimate.method == Method.nearby  # the draw reached half of its posts
    judge(either, brand_id, MONDAY + WEEK)
    (_, after), total = read(either, brand_id, MONDAY - WEEK, MONDAY, MONDAY + WEEK)
    assert (after.estimate.method, total.estimate.method) == (Method.audited, Method.audited)
    assert total.estimate.audits == 240


def test_audits_of_long_ago_correct_nothing(either: Database, brand_id: int) -> None:
    judge(either, brand_id, MONDAY)
    with either.write() as session:
        session.execute(update(Audit).values(posted_at=MONDAY - timedelta(days=200)))
    (week,), _ = read(either, brand_id, MONDAY - WEEK, MONDAY)
    assert week.estimate.method == Method.corrected


def test_a_source_has_its_own_audits_and_borrows_the_brands_where_they_are_few(either: Database, brand_id: int) -> None:
    judge(either, brand_id, MONDAY, count=60)
    _, of_x = read(either, brand_id, MONDAY - WEEK, MONDAY, source="x")
    _, of_rss = read(either, brand_id, MONDAY - WEEK, MONDAY, source="rss")
    assert (of_x.point.posts, of_rss.point.posts) == (300, 100)
    assert (of_x.estimate.method, of_rss.estimate.method) == (Method.audited, Method.nearby)
    assert of_rss.estimate.audits == 60


def test_audits_speak_of_the_model_that_the_hours_speak_of(either: Database, brand_id: int) -> None:
    """After a better model has read all posts again, what people said is compared with that one."""
    judge(either, brand_id, MONDAY)
    with either.write() as session:
        ids = list(session.scalars(select(Post.id)))
        unscored.add(session, ids)
        work = unscored.take(session, MONDAY, 30, 3, at_most=1000)
        assert work
        bad = np.array([0.98 if text.startswith("awful") else 0.01 for text in work.texts])
        scores = np.stack([bad, (1 - bad) * 0.02, (1 - bad) * 0.98], axis=1).astype(np.float32)
        unscored.give_back(session, work, Answer(scores, "m2"), MONDAY + timedelta(hours=1))
        while hours.count_some(session):
            pass
    (week,), _ = read(either, brand_id, MONDAY - WEEK, MONDAY)
    assert week.point.versions == {"m2": 400}
    share = week.estimate.shares[0]
    assert share.low is not None
    assert share.high is not None
    assert share.low < 1 / 6 < share.high < share.low + 0.06


def test_shares_are_corrected_for_the_mix_that_the_model_assumes(either: Database, brand_id: int) -> None:
    def unaudited() -> float:
        (week,), _ = read(either, brand_id, MONDAY - WEEK, MONDAY)
        assert week.estimate.method == Method.corrected
        return negative(week)

    before = unaudited()
    with either.write() as session:
        facts = {"metrics": {"prior": [0.8, 0.1, 0.1]}}
        session.add(Model(version="m1", name="m1", base="", facts=facts, created_at=MONDAY))
    assert unaudited() < before - 0.1


def test_what_alerts_tell_is_corrected_by_what_people_said(either: Database, brand_id: int) -> None:
    with either.read() as session:
        facts = counted.facts_of(session, session.get_one(Brand, brand_id), MONDAY, WEEK)
        before = facts.estimated(MONDAY - WEEK, MONDAY, "m1")
    judge(either, brand_id, MONDAY)
    with either.read() as session:
        facts = counted.facts_of(session, session.get_one(Brand, brand_id), MONDAY, WEEK)
        after = facts.estimated(MONDAY - WEEK, MONDAY, "m1")
    assert (before.method, after.method) == (Method.corrected, Method.nearby)
    assert (after.shares[0].high or 1) < (before.shares[0].point or 0)
