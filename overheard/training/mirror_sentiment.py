"""Hourly means of what was heard and of what callers were told, for MLflow: one run a month, never one per request."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from mlflow import MlflowClient
from mlflow.entities import Metric

from overheard.aggregates import HOUR
from overheard.scoring.bundle import LABELS
from overheard.store import hourly
from overheard.store.database import Database
from overheard.store.hourly import Means
from overheard.store.tables.base import EPOCH

EXPERIMENT: Final = "Sentiment Analysis"
MONTH: Final = "overheard.month"


def mirror(client: MlflowClient, database: Database) -> None:
    """Tell what was not told yet. Raises MlflowException."""
    with database.read() as session:
        untold = sorted(hourly.untold(session, datetime.now(UTC)), key=lambda one: one.hour)
    if not untold:
        return
    found = client.get_experiment_by_name(EXPERIMENT)
    experiment = found.experiment_id if found else client.create_experiment(EXPERIMENT)
    for month, means in groupby(untold, lambda one: f"{one.hour:%Y-%m}"):
        some = list(means)
        client.log_batch(_run(client, experiment, month), metrics=list(_metrics(some)))
        with database.write() as session:
            hourly.tell(session, sorted({one.hour for one in some}), datetime.now(UTC))


def _run(client: MlflowClient, experiment: str, month: str) -> str:
    """The month's run, made unless it is there."""
    found = client.search_runs([experiment], f"tags.`{MONTH}` = '{month}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    tags = {MONTH: month, "mlflow.runName": month}
    run_id = str(client.create_run(experiment, tags=tags).info.run_id)
    client.set_terminated(run_id)  # nothing runs: its points come as the hours end
    return run_id


def _metrics(means: Iterable[Means]) -> Iterator[Metric]:
    """A point per hour: `posts/negative`, …, `posts/count`, and the same of `calls`."""
    for one in means:
        at, step = int(one.hour.timestamp() * 1000), (one.hour - EPOCH) // HOUR
        for label, mean in zip(LABELS, one.means, strict=True):
            yield Metric(f"{one.about}/{label}", mean, at, step)
        yield Metric(f"{one.about}/count", float(one.count), at, step)
