"""After a promotion the new model reads what the old one read last, once, and both scores stay."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from overheard.collectors.base import Post as Heard
from overheard.privacy import Privacy
from overheard.registry import locate
from overheard.scoring.bundle import load_manifest
from overheard.store import models, overlap, posts, unscored
from overheard.store.database import Database
from overheard.store.parts import Answer
from overheard.store.tables.heard import Brand, Score
from overheard.store.tables.learning import Champion

NOW = datetime(2026, 3, 15, tzinfo=UTC)
OLD = load_manifest(locate("starter", Path()))
NEW = OLD.model_copy(update={"version": "0123456789ab"})


@pytest.fixture
def brand_id(either: Database) -> int:
    """Ten posts, a day apart, that the old model has read; the newest is two hours old."""
    with either.write() as session:
        models.register(session, OLD, NOW - timedelta(days=30), location="starter")
        models.register(session, NEW, NOW)
        brand = Brand(name="zephyr", name_key="zephyr", spec={}, created_at=NOW, updated_at=NOW)
        session.add(brand)
        session.flush()
        ids = [brand.id]
    hear(either, ids, [NOW - timedelta(days=day, hours=2) for day in range(10)])
    read(either, OLD.version, NOW - timedelta(hours=1))
    return ids[0]


def hear(database: Database, brand_ids: list[int], times: list[datetime]) -> None:
    found = [Heard(f"{at}", "fine", at, author="ann") for at in times]
    secret = Privacy(b"a secret of the tests")
    with database.write() as session:
        posts.keep(session, found, source="x", brands_of=lambda _: brand_ids, feed_id=None, privacy=secret, now=NOW)


def read(database: Database, model: str, at: datetime) -> int:
    with database.write() as session:
        work = unscored.take(session, at, lease_s=30, max_attempts=3, at_most=100)
        if work is None:
            return 0
        return unscored.give_back(session, work, Answer(np.full((len(work.ids), 3), 1 / 3, np.float32), model), at)


def promote(database: Database, version: str, at: datetime) -> Champion:
    with database.write() as session:
        return models.promote(session, version, "starter", "ann", "better", at)


def ask(database: Database, brand_id: int, chosen: Champion) -> int:
    with database.write() as session:
        return overlap.ask(session, brand_id, chosen)


def test_the_last_week_is_read_anew_once(either: Database, brand_id: int) -> None:
    chosen = promote(either, NEW.version, NOW)
    assert ask(either, brand_id, chosen) == 7
    assert ask(either, brand_id, chosen) == 0  # they wait already
    assert read(either, NEW.version, NOW + timedelta(minutes=1)) == 7
    assert ask(either, brand_id, chosen) == 0
    with either.read() as session:
        read_by = list(session.scalars(select(Score.model)))
    assert (read_by.count(OLD.version), read_by.count(NEW.version)) == (10, 7)


def test_what_a_worker_read_that_still_served_the_old_model_is_asked_for_again(either: Database, brand_id: int) -> None:
    chosen = promote(either, NEW.version, NOW)
    assert ask(either, brand_id, chosen) == 7
    assert read(either, OLD.version, NOW + timedelta(seconds=1)) == 7
    assert ask(either, brand_id, chosen) == 7


def test_after_a_roll_back_the_old_model_reads_what_the_new_one_read(either: Database, brand_id: int) -> None:
    ask(either, brand_id, promote(either, NEW.version, NOW))
    read(either, NEW.version, NOW + timedelta(minutes=1))
    with either.write() as session:
        chosen = models.roll_back(session, "bob", "worse after all", NOW + timedelta(hours=1))
    assert ask(either, brand_id, chosen) == 7
    read(either, OLD.version, NOW + timedelta(hours=2))
    assert ask(either, brand_id, chosen) == 0


def test_posts_that_no_model_has_read_yet_are_left_to_wait(either: Database, brand_id: int) -> None:
    hear(either, [brand_id], [NOW - timedelta(minutes=1)])
    assert ask(either, brand_id, promote(either, NEW.version, NOW)) == 7


def test_a_week_after_the_promotion_nothing_is_looked_for(either: Database, brand_id: int) -> None:
    chosen = promote(either, NEW.version, NOW)
    with either.read() as session:
        assert overlap.brand_ids(session, chosen, NOW + timedelta(days=6)) == [brand_id]
        assert list(overlap.brand_ids(session, chosen, NOW + timedelta(days=8))) == []
