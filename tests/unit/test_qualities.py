"""How right a model is, week by week: kept once, of all parts that are large enough, beside what people say."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from overheard.store import models, qualities
from overheard.store.database import Database
from overheard.store.tables.audits import Audit, Quality
from overheard.store.tables.learning import Model
from tests.weeks import MONDAY, WEEK, judge, two_weeks

NOW = MONDAY + timedelta(hours=6)


@pytest.fixture
def brand_id(either: Database) -> int:
    return two_weeks(either)


def kept(database: Database, brand_id: int) -> dict[tuple[str, str], Quality]:
    """Those of the week before MONDAY, by source and language."""
    with database.read() as session:
        found = qualities.page(session, brand_id, MONDAY - timedelta(days=3))
    return {(row.source, row.language): row for row in found if row.week == MONDAY - WEEK}


def test_accuracy_is_told_without_a_label_and_audits_stand_beside_it(either: Database, brand_id: int) -> None:
    judge(either, brand_id, MONDAY)
    assert qualities.measure(either, NOW)["brands"] == 1
    found = kept(either, brand_id)
    assert {key: row.posts for key, row in found.items()} == {("", ""): 400, ("x", ""): 300, ("rss", ""): 100}
    figures = found["", ""].figures
    assert figures["expected"]["accuracy"]["point"] == pytest.approx(0.74, abs=0.05)  # what the model thinks of itself
    assert figures["audited"]["accuracy"]["low"] < 5 / 6 < figures["audited"]["accuracy"]["high"]
    assert figures["audited"]["posts"] == 120


def test_measuring_again_keeps_one_row_of_each_part_and_drops_what_is_gone(either: Database, brand_id: int) -> None:
    first = qualities.measure(either, NOW)
    with either.write() as session:
        row = session.scalars(select(Quality)).first()
        assert row
        gone = {name: getattr(row, name) for name in ("brand_id", "week", "model", "posts", "figures", "measured_at")}
        session.add(Quality(**gone, source="gone", language=""))
    assert qualities.measure(either, NOW) == first
    with either.read() as session:
        rows = session.scalars(select(Quality)).all()
    assert len(rows) == first["figures"]
    assert "gone" not in {row.source for row in rows}


def test_texts_that_taught_the_model_do_not_judge_it(either: Database, brand_id: int) -> None:
    judge(either, brand_id, MONDAY)
    with either.write() as session:
        keys = session.scalars(select(Audit.text_key).order_by(Audit.id).limit(50)).all()
        session.add(Model(version="m1", name="m1", base="", facts={}, created_at=NOW))
        session.flush()
        models.teach(session, "m1", keys)
    qualities.measure(either, NOW)
    assert kept(either, brand_id)["", ""].figures["audited"]["posts"] == 70


def test_few_audits_judge_nothing(either: Database, brand_id: int) -> None:
    judge(either, brand_id, MONDAY, count=10)
    qualities.measure(either, NOW)
    assert kept(either, brand_id)["", ""].figures["audited"] is None
