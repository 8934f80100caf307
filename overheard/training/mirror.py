"""Brings MLflow up to date with the database: `python -m overheard.training.mirror`.

Everything is looked for before it is made, by the job's id or the model's version, so a call that was cut off or
doubled leaves no second run and no second version.
"""

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import typer
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from overheard import registry
from overheard.errors import BundleError
from overheard.mirroring import unmirrored_models, unmirrored_trainings
from overheard.settings import Settings
from overheard.stack.programs import mlflow_url
from overheard.store import models
from overheard.store.database import Database
from overheard.store.tables.learning import Model
from overheard.store.tables.work import Job
from overheard.training import mirror_sentiment

EXPERIMENT: Final = "Sentiment Classifier Training"
REGISTERED: Final = "overheard-sentiment"
JOB, VERSION = "overheard.job_id", "overheard.version"
ALIASES: Final = ("champion", "challenger", "previous")
PARAM_CHARS: Final = 500
POINTS_AT_ONCE: Final = 500
STATUSES: Final = {"succeeded": "FINISHED", "failed": "FAILED", "cancelled": "KILLED"}


class Mirror:
    """One round. Raises MlflowException when the server is away or refuses something."""

    def __init__(self, client: MlflowClient, database: Database, settings: Settings) -> None:
        self.client, self.database, self.settings = client, database, settings
        found = client.get_experiment_by_name(EXPERIMENT)
        self.experiment = found.experiment_id if found else client.create_experiment(EXPERIMENT)

    def trainings(self) -> None:
        with self.database.read() as session:
            ended = session.scalars(unmirrored_trainings()).all()
        for job in ended:
            self._training(job)
            with self.database.write() as session:
                session.get_one(Job, job.id).mirrored_at = datetime.now(UTC)

    def models(self) -> None:
        with self.database.read() as session:
            new = session.scalars(unmirrored_models()).all()
        for model in new:
            run_id = self._model(model)
            with self.database.write() as session:
                known = session.get_one(Model, model.version)
                known.mirrored_at = datetime.now(UTC)
                known.facts = {**known.facts, "mlflow": self._page(run_id)}

    def aliases(self) -> None:
        with self.database.read() as session:
            chosen = models.champion(session)
            wanted = {alias: version for version, alias in models.aliases(session, self.settings.first_model).items()}
        for alias in ALIASES:
            number = self._number(wanted[alias]) if alias in wanted else None
            if number:
                self.client.set_registered_model_alias(REGISTERED, alias, number)
            else:
                self.client.delete_registered_model_alias(REGISTERED, alias)
        if chosen:
            with self.database.write() as session:
                now = models.champion(session)
                if now and now.changed_at == chosen.changed_at:  # else it changed meanwhile: the next round tells
                    now.mirrored_at = datetime.now(UTC)

    def _training(self, job: Job) -> None:
        facts = job.facts or {}
        run_id = self._run(JOB, job.id, job.started_at or job.created_at, {"mlflow.runName": f"training {job.id[:8]}"})
        self._log(run_id, facts)
        tags = {"overheard.state": job.state, "git_revision": facts.get("environment", {}).get("git_revision", "")}
        if job.error:
            tags["overheard.error"] = f"{job.error['title']}: {job.error['detail']}"
        for name, value in tags.items():
            self.client.set_tag(run_id, name, value)
        status = RunStatus.to_string(RunStatus.from_string(STATUSES[job.state]))
        self.client.set_terminated(run_id, status, _ms(job.finished_at or job.created_at))

    def _log(self, run_id: str, facts: dict[str, Any]) -> None:
        said = {
            **facts.get("params", {}),
            **{f"env.{name}": value for name, value in facts.get("environment", {}).items()},
        }
        if "snapshot" in facts:
            said["data.hash"], said["data.base"] = facts["snapshot"]["hash"], facts["snapshot"]["base_data"]
            self.client.log_dict(run_id, facts["snapshot"], "snapshot.json")
        params = [Param(name, str(value)[:PARAM_CHARS]) for name, value in said.items()]
        metrics = list(_metrics(facts))
        for start in range(0, len(metrics), POINTS_AT_ONCE):
            self.client.log_batch(run_id, metrics=metrics[start : start + POINTS_AT_ONCE])
        self.client.log_batch(run_id, params=params)
        if "verdict" in facts:
            self.client.log_dict(run_id, facts["verdict"], "verdict.json")

    def _model(self, model: Model) -> str:
        """The run that it belongs to."""
        if there := self._known(model.version):
            return str(there.run_id)
        if model.job_id:
            run_id = self._run(JOB, model.job_id, model.created_at, {})
        else:
            name = {"mlflow.runName": f"{model.name} {model.version}"}
            run_id = self._run(VERSION, model.version, model.created_at, name)
            self.client.set_terminated(run_id)
        try:
            self.client.log_artifacts(run_id, str(registry.bundle_of(model, self.settings)), "model")
        except BundleError as error:
            self.client.set_tag(run_id, "overheard.bundle", str(error))
            self.client.log_text(run_id, str(error), "model/MISSING")
        if not self.client.search_registered_models(f"name = '{REGISTERED}'"):
            self.client.create_registered_model(REGISTERED)
        source = f"{self.client.get_run(run_id).info.artifact_uri}/model"
        verdict = model.verdict or {}
        why = "; ".join(verdict.get("vetoes") or verdict.get("reasons") or ["not trained here"])
        self.client.create_model_version(REGISTERED, source, run_id, tags={VERSION: model.version}, description=why)
        return run_id

    def _page(self, run_id: str) -> str:
        """Where people look at a run."""
        return f"{mlflow_url(self.settings)}/#/experiments/{self.experiment}/runs/{run_id}"

    def _run(self, tag: str, value: str, started_at: datetime, tags: dict[str, str]) -> str:
        """The run that carries this tag, made unless it is there."""
        found = self.client.search_runs([self.experiment], f"tags.`{tag}` = '{value}'", max_results=1)
        if found:
            return str(found[0].info.run_id)
        return str(self.client.create_run(self.experiment, _ms(started_at), {tag: value, **tags}).info.run_id)

    def _number(self, version: str) -> str | None:
        """MLflow's number of a version."""
        there = self._known(version)
        return str(there.version) if there else None

    def _known(self, version: str) -> ModelVersion | None:
        found = self.client.search_model_versions(f"name = '{REGISTERED}' and tags.`{VERSION}` = '{version}'")
        return found[0] if found else None


def _metrics(facts: dict[str, Any]) -> Iterator[Metric]:
    for point in facts.get("history", []):
        for name in ("loss", "macro_recall", "epoch"):
            if point.get(name) is not None:
                yield Metric(name, float(point[name]), int(point["at"] * 1000), int(point["step"]))
    at = int(datetime.now(UTC).timestamp() * 1000)
    numbers = {**facts.get("training", {}), **dict(_figures(facts.get("verdict", {})))}
    yield from (Metric(name, float(value), at, 0) for name, value in numbers.items() if value is not None)


def _figures(verdict: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Champion's and challenger's figures on all test rows, and on each slice."""
    for part in verdict.get("slices", []):
        where = re.sub(r"[^\w./ -]", "_", f"{part['kind']} {part['value']}".strip())
        for who in ("champion", "challenger"):
            for name in ("accuracy", "macro_recall", "macro_f1", "ece"):
                yield f"{where}/{who}_{name}", part[who][name]
    for who, ms in zip(("champion", "challenger"), verdict.get("ms_per_message", ()), strict=False):
        yield f"ms_per_message/{who}", ms


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def main() -> int:
    """Returns the exit status: 1 when MLflow could not be told everything; the last line on stderr says why."""
    settings = Settings.load()
    try:
        client, database = MlflowClient(mlflow_url(settings)), Database(settings.sql_url)
        mirror = Mirror(client, database, settings)
        mirror.trainings()
        mirror.models()
        mirror.aliases()
        mirror_sentiment.mirror(client, database)
    except MlflowException as error:
        typer.echo(str(error).strip().partition("\n")[0], err=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
