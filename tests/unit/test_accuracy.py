"""The daily check of the model in service, on labels in a real SQLite file."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from overheard import accuracy, demo
from overheard.scoring.bundle import LABELS
from overheard.settings import Settings
from overheard.store import labels
from overheard.store.database import Database, migrate
from overheard.store.labels import NewLabel, Purpose

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
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
