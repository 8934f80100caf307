"""MLflow is told of trainings and models, once, and later if it is away: on a real MLflow server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from overheard.mirroring import is_behind, mirror
from overheard.model_store import ModelStore
from overheard.registry import locate
from overheard.scoring.bundle import load_manifest
from overheard.settings import Settings
from overheard.store import hourly, hours, jobs, models, trainings
from overheard.store.database import Database, migrate
from overheard.store.trainings import Standing
from overheard.training import gate
from tests.models import another_starter
from tests.stack import eventually, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR_BEFORE_LAST = hours.start(datetime.now(UTC)) - timedelta(hours=2)
EXPERIMENT = "Sentiment Classifier Training"
MODEL = "overheard-sentiment"


def verdict() -> dict[str, Any]:
    """What the gate says of a challenger that is right twice as often."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    exam = gate.Exam(labels, rng.random(600) < 0.2, np.full(600, "x"), np.full(600, "acme"))

    def judged(version: str, right: float) -> gate.Judged:
        said = np.where(rng.random(600) < right, labels, rng.integers(0, 3, 600))
        return gate.Judged(version, np.eye(3, dtype=np.float32)[said] * 0.7 + 0.1, 1.0)

    return gate.decide(
        exam, judged("old", 0.3), judged("new", 0.6), gate.Thresholds(), leaked_rows=0, allow_slower=False
    ).as_dict()


FACTS: dict[str, Any] = {
    "params": {"epochs": 2.0, "learning_rate": 3e-5, "base": "champion"},
    "environment": {"git_revision": "abc", "torch": "2.13.0"},
    "snapshot": {"hash": "f" * 64, "base_data": "base.csv", "rows": {"train": 10}},
    "history": [
        {"step": n, "at": NOW.timestamp() + n, "epoch": n / 5, "loss": 1 / n, "macro_recall": None} for n in (1, 2)
    ],
    "training": {"seconds": 12.0, "rows_per_s": 80.0, "steps": 2},
    "verdict": verdict(),
}


@contextmanager
def mlflow(folder: Path, port: int) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    store = ("--backend-store-uri", "sqlite:///mlflow.db", "--artifacts-destination", "./artifacts")
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", *store]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("a") as log:
        server = subprocess.Popen(command, cwd=folder, env={**os.environ, **quiet}, stdout=log, stderr=log)
    try:
        eventually(lambda: answers(port), 90)
        yield
    finally:
        server.terminate()
        server.wait(20)


def answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings.load(home=tmp_path / "home", mlflow_port=free_port())
    settings.home.mkdir()
    migrate(settings.sql_url)
    return settings


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.sql_url)
    yield database
    database.engine.dispose()


def train(database: Database, settings: Settings, state: str = "succeeded") -> tuple[str, str]:
    """What a training leaves in the database: its job's id and its model's version."""
    job = trainings.start(database, {}, owner="me", now=NOW, lease_s=30)
    bundle = settings.home / "bundle"
    manifest = another_starter(bundle, 1.5)
    ModelStore(settings).put(bundle)
    with database.write() as session:
        claim = trainings.take(session, job.id, NOW, 30, 3)
        assert claim is not None
        trainings.tell(session, claim, Standing("registering", 2, 2, FACTS), NOW, 30)
        error = {"title": "DataError", "detail": "no rows"} if state == "failed" else None
        jobs.finish(session, jobs.lock(session, job.id), state, NOW + timedelta(seconds=20), error)
        if state == "succeeded":
            starter = locate("starter", settings.models)
            models.register(session, load_manifest(starter), NOW, location="starter")
            models.register(session, manifest, NOW, job_id=job.id, facts=FACTS, verdict=FACTS["verdict"])
            models.promote(session, manifest.version, "starter", "me", "better", NOW)
    return job.id, manifest.version


def behind(database: Database) -> bool:
    with database.read() as session:
        return is_behind(session)


def test_what_mlflow_missed_while_it_was_away_is_caught_up_and_told_once(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    job_id, version = train(database, settings)
    with database.write() as session:
        hourly.count_calls(session, HOUR_BEFORE_LAST, "m1", 10, np.array([5.0, 3.0, 2.0]))
    mirror(database, settings)
    assert behind(database)
    with mlflow(tmp_path / "mlflow", settings.mlflow_port):
        for _ in range(2):
            mirror(database, settings)
            assert not behind(database)
            with database.write() as session:  # as if the first round had been cut off before it could say so
                models.get(session, version).mirrored_at = None
                jobs.get(session, job_id).mirrored_at = None

        from mlflow import MlflowClient

        client = MlflowClient(f"http://127.0.0.1:{settings.mlflow_port}")
        experiment = client.get_experiment_by_name(EXPERIMENT)
        (run,) = client.search_runs([experiment.experiment_id], f"tags.`overheard.job_id` = '{job_id}'")
        assert run.info.status == "FINISHED"
        assert run.data.params["data.hash"] == "f" * 64
        assert run.data.params["learning_rate"] == "3e-05"
        assert run.data.tags["git_revision"] == "abc"
        assert [point.value for point in client.get_metric_history(run.info.run_id, "loss")] == [1.0, 0.5]
        assert run.data.metrics["all/challenger_macro_recall"] > run.data.metrics["all/champion_macro_recall"] > 0.3
        assert run.data.metrics["ms_per_message/challenger"] == 1.0
        names = {file.path for file in client.list_artifacts(run.info.run_id, "model")}
        assert names >= {"model/model.onnx", "model/manifest.json"}
        with database.read() as session:
            page = models.get(session, version).facts["mlflow"]
        assert page.endswith(f"/#/experiments/{experiment.experiment_id}/runs/{run.info.run_id}")
        trained = client.get_model_version_by_alias(MODEL, "champion")
        assert trained.tags["overheard.version"] == version
        assert client.get_model_version_by_alias(MODEL, "previous").tags["overheard.version"] != version
        assert len(client.search_model_versions(f"name = '{MODEL}'")) == 2

        experiment = client.get_experiment_by_name("Sentiment Analysis")
        (month,) = client.search_runs([experiment.experiment_id])
        assert month.info.run_name == f"{HOUR_BEFORE_LAST:%Y-%m}"
        (point,) = client.get_metric_history(month.info.run_id, "calls/negative")
        assert (point.value, point.timestamp) == (0.5, HOUR_BEFORE_LAST.timestamp() * 1000)

        with database.write() as session:
            models.roll_back(session, "me", "worse", NOW + timedelta(days=1))
        mirror(database, settings)
        assert client.get_model_version_by_alias(MODEL, "previous").tags["overheard.version"] == version


def test_a_failed_training_is_a_failed_run(database: Database, settings: Settings, tmp_path: Path) -> None:
    train(database, settings, "failed")
    with mlflow(tmp_path / "mlflow", settings.mlflow_port):
        mirror(database, settings)

        from mlflow import MlflowClient

        client = MlflowClient(f"http://127.0.0.1:{settings.mlflow_port}")
        experiment = client.get_experiment_by_name(EXPERIMENT)
        (run,) = client.search_runs([experiment.experiment_id])
        assert run.info.status == "FAILED"
        assert run.data.tags["overheard.error"] == "DataError: no rows"
    assert not behind(database)
