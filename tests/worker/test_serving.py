"""A scoring worker follows the champion: loaded beside the old one, swapped, and the old one kept when it can't be."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from overheard.model_store import ModelStore
from overheard.scoring.bundle import MODEL
from overheard.scoring.lanes import Lane
from overheard.settings import Settings
from overheard.store import models
from overheard.store.database import Database, migrate
from tests.models import another_starter
from worker.serving import Serving

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings.load(home=tmp_path / "home", device="cpu", scoring_threads=1)
    settings.home.mkdir()
    migrate(settings.sql_url)
    return settings


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.sql_url)
    yield database
    database.engine.dispose()


@pytest.fixture
def serving(database: Database, settings: Settings) -> Iterator[Serving]:
    serving = Serving(database, settings)
    yield serving
    serving.current.close()


def add(database: Database, settings: Settings, temperature: float) -> str:
    bundle = settings.home / f"bundle-{temperature}"
    manifest = another_starter(bundle, temperature)
    ModelStore(settings).put(bundle)
    with database.write() as session:
        models.register(session, manifest, NOW, job_id="a job")
    return manifest.version


def promote(database: Database, version: str) -> None:
    with database.write() as session:
        models.promote(session, version, "starter", "ann", "better", NOW)


def roll_back(database: Database) -> None:
    with database.write() as session:
        models.roll_back(session, "ann", "worse", NOW)


def test_the_first_model_makes_itself_known_and_serves(database: Database, serving: Serving) -> None:
    with database.read() as session:
        known = models.serving(session, "starter")
    assert known is not None
    assert serving.current.engine.version == known.version
    facts = serving.facts()
    assert facts is not None
    assert (facts["model"], facts["problem"]) == (known.version, "")


def test_a_promoted_model_serves_and_a_roll_back_too(database: Database, settings: Settings, serving: Serving) -> None:
    first, second = serving.current.engine.version, add(database, settings, 1.5)
    promote(database, second)
    serving.look()
    assert serving.current.engine.version == second
    roll_back(database)
    serving.look()
    assert serving.current.engine.version == first


def test_requests_under_way_are_answered_by_the_model_that_took_them(
    database: Database, settings: Settings, serving: Serving
) -> None:
    with serving.batcher() as old:
        promote(database, add(database, settings, 1.5))
        serving.look()
        assert serving.current is not old
        answer = old.submit(["What a lovely day"], Lane.interactive)
        assert answer.result(timeout=30).shape == (1, 3)
        assert old.alive
    assert not old.alive


@pytest.mark.slow
def test_no_request_is_lost_while_models_change(database: Database, settings: Settings, serving: Serving) -> None:
    versions = [add(database, settings, temperature) for temperature in (1.25, 1.5)]
    seen: set[str] = set()
    answered: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            with serving.batcher() as batcher:
                answered.append(len(batcher.submit(["What a day"], Lane.interactive).result(timeout=30)))
                seen.add(batcher.engine.version)

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    for version in versions * 2:
        promote(database, version)
        serving.look()
        asked = len(answered)
        while len(answered) < asked + 20:
            assert any(client.is_alive() for client in clients)
    stop.set()
    for client in clients:
        client.join()
    assert seen >= set(versions)
    assert set(answered) == {1}


def test_a_damaged_bundle_is_not_served_and_is_told_of(
    database: Database, settings: Settings, serving: Serving
) -> None:
    first, second = serving.current.engine.version, add(database, settings, 1.5)
    model = settings.models / "versions" / second / MODEL
    whole = model.read_bytes()
    model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    promote(database, second)
    serving.look()
    assert serving.current.engine.version == first
    assert "damaged" in serving.problem
    facts = serving.facts()
    assert facts is not None
    assert second in facts["problem"]
    roll_back(database)
    serving.look()
    assert serving.problem == ""


def test_a_bundle_that_comes_late_is_tried_again(
    database: Database, settings: Settings, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.serving.TRY_AGAIN_S", 0)
    second = add(database, settings, 1.5)
    place = settings.models / "versions" / second
    away = place.rename(place.with_name("away"))
    promote(database, second)
    serving.look()
    assert "can't be read" in serving.problem
    away.rename(place)
    serving.look()
    assert serving.current.engine.version == second


def test_a_worker_that_starts_with_a_damaged_champion_serves_the_one_before(
    database: Database, settings: Settings, serving: Serving
) -> None:
    second, third = add(database, settings, 1.5), add(database, settings, 1.75)
    promote(database, second)
    promote(database, third)
    (settings.models / "versions" / third / MODEL).unlink()
    started = Serving(database, settings)
    assert started.current.engine.version == second
    assert third in started.problem
    started.current.close()


def test_bundles_of_a_remote_store_are_fetched_once_and_checked(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    remote = settings.model_copy(update={"model_store": "memory://models"})
    version = another_starter(tmp_path / "bundle", 1.5).version
    assert ModelStore(remote).put(tmp_path / "bundle") == version
    fetched = ModelStore(remote).fetch(version)
    assert fetched.parent == settings.models / "fetched"
    assert ModelStore(remote).fetch(version) == fetched
