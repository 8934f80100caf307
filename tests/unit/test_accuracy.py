"""The daily check of the model in service, on labels in a real SQLite file."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from overheard import accuracy, demo
from overheard.registry import locate
from overheard.scoring.bundle import LABELS, load_manifest
from overheard.scoring.text import key
from overheard.settings import Settings
from overheard.store import falls as judged
from overheard.store import labels, models, schedules
from overheard.store.database import Database, migrate
from overheard.store.labels import NewLabel, Purpose

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STARTER = load_manifest(locate("starter", Path()))
POSTS = [(post.text, LABELS.index(post.label)) for post in demo.posts()]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings.load(home=tmp_path / "home", scoring_threads=1)
    settings.home.mkdir()
    migrate(settings.sql_url)
    return settings


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.sql_url)
    yield database
    database.engine.dispose()


def save(database: Database, posts: list[tuple[str, int]], purpose: Purpose, days_ago: int = 1) -> None:
    with database.write() as session:
        new = [NewLabel(text, label, purpose) for text, label in posts]
        labels.save(session, new, "ann", NOW - timedelta(days=days_ago))


def teach(database: Database, posts: list[tuple[str, int]], version: str, base: str = "") -> None:
    """A model that trained on these."""
    manifest = STARTER.model_copy(update={"version": version})
    with database.write() as session:
        models.register(session, manifest, NOW, job_id=f"job {version}", facts={"params": {"base": base}})
        models.teach(session, version, {key(text) for text, _ in posts})


def test_audit_labels_say_how_often_the_model_is_right(database: Database, settings: Settings) -> None:
    save(database, POSTS[:120], Purpose.audit)
    checked = accuracy.check(database, settings, NOW)
    assert (checked["labels"], checked["n"]) == ("audit", 120)
    assert 0.4 < checked["accuracy"] < 1
    assert 0.4 < checked["macro_recall"] < 1  # a third is chance, and some of these posts are sarcastic
    assert len(checked["model"]) == 12


def test_without_audit_labels_those_that_are_held_out_of_training_serve(database: Database, settings: Settings) -> None:
    texts = [(f"It is {number} o'clock and the weather is fine", 2) for number in range(500)]
    save(database, texts, Purpose.train)
    checked = accuracy.check(database, settings, NOW)
    assert checked["labels"] == "held-out"
    assert 70 < checked["n"] < 130  # a fifth


@pytest.mark.parametrize(("count", "days_ago"), [(0, 1), (49, 1), (120, 91)])
def test_too_few_recent_labels_are_said_to_be_too_few(
    database: Database, settings: Settings, count: int, days_ago: int
) -> None:
    save(database, POSTS[:count], Purpose.audit, days_ago)
    checked = accuracy.check(database, settings, NOW)
    assert "too few labels" in checked["problem"]
    assert checked["n"] == (count if days_ago < 90 else 0)
    assert "accuracy" not in checked


def test_texts_that_trained_the_model_before_they_were_audited_are_left_out(
    database: Database, settings: Settings
) -> None:
    """Its own, and those of the model that its weights come from, but not another's."""
    save(database, POSTS[:120], Purpose.audit)
    with database.write() as session:
        models.register(session, STARTER, NOW, location="starter")
    for version, base, posts in (("b", "", POSTS[:30]), ("c", "b", POSTS[30:50]), ("d", "b", POSTS[50:90])):
        teach(database, posts, version, base)
    with database.read() as session:
        counts = [len(models.taught_to(session, version)) for version in (STARTER.version, "b", "c")]
        _, found = accuracy.recent(session, NOW - timedelta(days=90), models.taught_to(session, "c"))
    assert counts == [0, 30, 50]
    assert {label.text for label in found} == {text for text, _ in POSTS[50:120]}
    assert accuracy.check(database, settings, NOW)["n"] == 120  # the starter serves


def test_a_model_that_is_right_less_often_than_at_an_earlier_check_has_fallen(
    database: Database, settings: Settings
) -> None:
    save(database, POSTS[:200], Purpose.audit)
    checked = accuracy.check(database, settings, NOW)
    assert checked["falls"] == []
    assert 0.02 < checked["errors"]["accuracy"] < 0.05
    better = {**checked, "accuracy": checked["accuracy"] + 0.2, "model": "0123456789ab"}
    with database.write() as session:
        schedules.claim(session, judged.CHECK, NOW - timedelta(days=1), NOW, may_take_over=False)
        schedules.finish(session, judged.CHECK, NOW - timedelta(days=1), NOW, better)
    (fall,) = accuracy.check(database, settings, NOW)["falls"]
    assert (fall["where"], fall["figure"], fall["best"]["version"]) == ("service", "accuracy", "0123456789ab")
    assert fall["fall"] == pytest.approx(0.2)
    patient = settings.model_copy(update={"max_accuracy_fall": 0.25})
    assert accuracy.check(database, patient, NOW)["falls"] == []


def test_a_training_that_came_to_less_is_told_even_without_labels(database: Database, settings: Settings) -> None:
    with database.write() as session:
        for number, share in enumerate((0.8, 0.6)):
            hits, manifest = round(300 * share), STARTER.model_copy(update={"version": f"v{number}"})
            confusion = [[hits if row == column else (300 - hits) // 2 for column in range(3)] for row in range(3)]
            judgement = {"n": 900, "accuracy": share, "macro_recall": share, "confusion": confusion}
            verdict = {"slices": [{"kind": "all", "challenger": judgement}]}
            models.register(session, manifest, NOW + timedelta(days=number), job_id=f"job{number}", verdict=verdict)
    checked = accuracy.check(database, settings, NOW)
    assert "too few labels" in checked["problem"]
    assert [(fall["where"], fall["newest"]["job_id"], fall["best"]["version"]) for fall in checked["falls"]] == [
        ("trainings", "job1", "v0"),
        ("trainings", "job1", "v0"),
    ]
