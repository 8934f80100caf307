"""The week of each brand against the starter's own reference, in a real SQLite file."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from overheard import demo, drifting, reference
from overheard.collectors.base import Post as Heard
from overheard.drift import Drift
from overheard.privacy import Privacy
from overheard.registry import locate
from overheard.scoring.bundle import MANIFEST, REFERENCE, load_manifest, write_manifest
from overheard.settings import Settings
from overheard.store import brands, drifts, models, posts, unscored
from overheard.store.database import Database, migrate
from overheard.store.parts import Answer
from overheard.store.tables.heard import Brand
from tests.models import OWN

TUESDAY = datetime(2026, 3, 17, 4, tzinfo=UTC)
MONDAY = datetime(2026, 3, 16, tzinfo=UTC)
STARTER = load_manifest(locate("starter", Path()))
TEXTS = [post.text for post in demo.posts()][:300]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings.load(home=tmp_path / "home")
    settings.home.mkdir()
    migrate(settings.sql_url)
    return settings


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.sql_url)
    with database.write() as session:
        models.register(session, STARTER, TUESDAY, location="starter")
    yield database
    database.engine.dispose()


def hear(database: Database, name: str, texts: list[str], negative: float, language: str = "en") -> int:
    """Posts of Monday on a brand, of which that share is called negative."""
    with database.write() as session:
        brand = Brand(name=name, name_key=name, spec={}, created_at=MONDAY, updated_at=MONDAY)
        session.add(brand)
        session.flush()
        at = [MONDAY + timedelta(seconds=60 * place) for place in range(len(texts))]
        found = [Heard(f"{name}{p}", text, at[p], language=language) for p, text in enumerate(texts)]
        ids, secret = [brand.id], Privacy(b"a secret of the tests")
        posts.keep(session, found, source="x", brands_of=lambda _: ids, feed_id=None, privacy=secret, now=TUESDAY)
        work = unscored.take(session, TUESDAY, lease_s=30, max_attempts=3, at_most=10_000)
        assert work
        scores = np.array([[0.8, 0.1, 0.1], [0.1, 0.5, 0.4], [0.1, 0.4, 0.5]], np.float32)
        called = [0 if place < negative * len(texts) else 1 + place % 2 for place in range(len(texts))]
        unscored.give_back(session, work, Answer(scores[called], STARTER.version), TUESDAY)
        return ids[0]


def kept(database: Database, brand_id: int) -> dict[str, bool]:
    with database.read() as session:
        return {row.feature: row.is_drift for row in drifts.since(session, brand_id, MONDAY)}


def test_a_week_is_measured_and_measured_again_in_its_place(database: Database, settings: Settings) -> None:
    calm, angry = hear(database, "calm", TEXTS, 0.2), hear(database, "angry", TEXTS, 0.5)
    hear(database, "quiet", TEXTS[:29], 0.5)
    for _ in range(2):
        outcome = drifting.measure(database, settings, TUESDAY)
    assert outcome == {"model": STARTER.version, "brands": 2, "drifting": [calm, angry]}  # both have words of their own
    assert kept(database, calm) == {"classes": False, "language": False, "length": True, "vocabulary": True}
    assert kept(database, angry)["classes"]
    with database.read() as session:
        (row,) = [row for row in drifts.since(session, angry, MONDAY) if row.feature == "classes"]
    assert (row.week, row.model, row.posts) == (MONDAY, STARTER.version, len(reference.distinct(TEXTS)))
    assert row.figures["now"]["negative"] == pytest.approx(0.5, abs=0.01)
    assert row.figures["js"] > row.figures["limit"] > row.figures["expected"]


def test_another_language_is_noticed(database: Database, settings: Settings) -> None:
    brand_id = hear(database, "a", TEXTS, 0.2, language="de")
    drifting.measure(database, settings, TUESDAY)
    assert kept(database, brand_id)["language"]


def test_on_a_monday_the_week_that_has_ended_is_measured(database: Database, settings: Settings) -> None:
    brand_id = hear(database, "a", TEXTS, 0.5)
    drifting.measure(database, settings, MONDAY + timedelta(days=7, hours=4))
    assert kept(database, brand_id)["classes"]
    assert drifting.measure(database, settings, MONDAY + timedelta(hours=4))["brands"] == 0


def test_without_a_reference_that_is_said_and_nothing_else_happens(database: Database, settings: Settings) -> None:
    brand_id = hear(database, "a", TEXTS, 0.5)
    bundle = shutil.copytree(locate("starter", Path()), settings.home / "bundle")
    (bundle / REFERENCE).unlink()
    (bundle / MANIFEST).unlink()
    facts = STARTER.model_dump(exclude=set(OWN))
    old = write_manifest(bundle, facts)
    assert old.version == STARTER.version  # a reference decides no answer
    other = settings.model_copy(update={"first_model": str(bundle)})
    with database.write() as session:
        models.get(session, old.version).location = str(bundle)
    assert "no reference" in drifting.measure(database, other, TUESDAY)["problem"]
    assert kept(database, brand_id) == {}


def test_a_brand_that_is_removed_meanwhile_leaves_nothing(database: Database, settings: Settings) -> None:
    brand_id = hear(database, "a", TEXTS, 0.5)
    drifting.measure(database, settings, TUESDAY)
    brands.remove(database, brand_id)
    assert kept(database, brand_id) == {}
    found = Drift("classes", 300, 0.1, 0.1, 0.01, 0.02, is_drift=True, now={}, trained={})
    with database.write() as session:
        drifts.keep(session, brand_id, MONDAY, STARTER.version, [found], TUESDAY)
    assert kept(database, brand_id) == {}
