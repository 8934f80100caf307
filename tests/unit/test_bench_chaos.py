"""The auditor of `make chaos` notices what is lost, doubled or another's; the soak tells growth from noise."""

import random
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete, update

from overheard.collectors.base import Post as Heard
from overheard.privacy import Privacy
from overheard.store import hours, labels, posts, unscored
from overheard.store.database import Database, migrate
from overheard.store.labels import NewLabel, Purpose
from overheard.store.parts import Answer
from overheard.store.tables.counts import Hour
from overheard.store.tables.heard import Brand, Score

pytest.importorskip("torch", reason="training is not installed")

from bench import soak_report
from bench.chaos import audit
from bench.chaos.ledger import Ledger
from bench.chaos.load import Known

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = ("load-1", "load-2", "load-3")


@pytest.fixture
def house(tmp_path: Path) -> Any:
    """With three posts of the brand `load`, scored and counted."""
    url = f"sqlite:///{tmp_path / 'test.db'}"
    migrate(url)
    database = Database(url)
    with database.write() as session:
        brand = Brand(name="load", name_key="load", spec={}, created_at=NOW, updated_at=NOW)
        session.add(brand)
        session.flush()
        posts.keep(
            session,
            [Heard(f"load/{name}", "fine", NOW) for name in NAMES],
            source="webhook",
            brands_of=lambda _: [brand.id],
            feed_id=None,
            privacy=Privacy(b"a secret of the tests"),
            now=NOW,
        )
        work = unscored.take(session, NOW, 30, 3, 9)
        assert work
        unscored.give_back(session, work, Answer(np.full((3, 3), 1 / 3, np.float32), "m"), NOW)
    hours.count_all(database)
    yield SimpleNamespace(database=database)
    database.engine.dispose()


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger()
    things = dict.fromkeys(NAMES, "fine")
    ledger.accept("posts", things, ledger.send("posts", things))
    return ledger


def test_posts_that_are_there_once_and_counted_once_are_finished(house: Any, ledger: Ledger) -> None:
    fate = audit._posts(house, ledger, "load")
    assert (fate.accepted, fate.finished, fate.lost, fate.doubled) == (3, 3, 0, 0)


def test_a_post_that_is_gone_has_no_score_or_is_not_counted_is_lost(house: Any, ledger: Ledger) -> None:
    ledger.accept("posts", {"load-4": "fine"}, ledger.send("posts", {"load-4": "fine"}))
    assert audit._posts(house, ledger, "load").lost == 1
    with house.database.write() as session:
        session.execute(delete(Score).where(Score.post_id == 1))
        session.execute(update(Hour).values(posts=2))
    assert audit._posts(house, ledger, "load").lost == 3


def test_a_post_that_is_counted_twice_or_that_nobody_sent_is_doubled(house: Any, ledger: Ledger) -> None:
    del ledger.sent["posts"]["load-3"]
    assert audit._posts(house, ledger, "load").doubled == 1
    with house.database.write() as session:
        session.execute(update(Hour).values(posts=4))
    assert audit._posts(house, ledger, "load").doubled == 2


def test_a_label_that_says_something_else_is_lost(house: Any, ledger: Ledger) -> None:
    with house.database.write() as session:
        labels.save(session, [NewLabel("fine", 2, Purpose.train, "", "")], "me", NOW)
    ledger.accept("labels", {"fine": "positive"}, 0.0)
    assert audit._labels(house, ledger).lost == 0
    ledger.accept("labels", {"fine": "negative"}, 0.0)
    assert audit._labels(house, ledger).lost == 1


def test_scores_of_other_texts_are_noticed() -> None:
    known = Known(["a", "b"], [(0.1, 0.2, 0.7), (0.7, 0.2, 0.1)])
    assert known.says([0, 1, 0], [(0.1, 0.2, 0.7), (0.7, 0.2, 0.1), (0.101, 0.199, 0.7)])
    assert not known.says([0, 1], [(0.7, 0.2, 0.1), (0.1, 0.2, 0.7)])
    assert not known.says([0, 1], [(0.1, 0.2, 0.7)])


def test_all_is_well_when_every_kind_was_accepted_again() -> None:
    ledger = Ledger()
    ledger.accept("calls", {"a": 1}, 10.0)
    ledger.accept("posts", {"b": 1}, 11.0)
    assert ledger.is_well_since(12.0) is None
    ledger.accept("calls", {"c": 1}, 13.0)
    assert ledger.is_well_since(12.0) is None
    ledger.accept("posts", {"d": 1}, 14.0)
    assert ledger.is_well_since(12.0) is not None


def soaked(mb_per_h: float) -> dict[str, Any]:
    """Twenty minutes of one process that grows so, with noise of 2 MB, after it has loaded its model."""
    chance = random.Random(7)
    times = range(0, 1200, 5)
    sizes = [150 + min(at, 200) / 2 + mb_per_h * at / 3600 + chance.uniform(-1, 1) for at in times]
    samples = [(float(at), int(1e6 * size), int(8e5 * size)) for at, size in zip(times, sizes, strict=True)]
    return {"minutes": 20, "samples": {"ml 7": samples, "batches 8": samples[3:9]}}


def test_a_process_that_only_warms_up_does_not_grow() -> None:
    (growth,) = soak_report.growths(soaked(0))
    assert not growth.is_leak
    assert abs(growth.per_h) < 6


def test_a_process_that_leaks_is_told_with_how_much() -> None:
    (growth,) = soak_report.growths(soaked(30))
    assert growth.is_leak
    assert growth.per_h == pytest.approx(30, abs=6)
    assert growth.low < 30 < growth.high
