"""Training, and who is told of what came of it. torch and mlflow are imported where they are needed: all load this."""

import logging
from datetime import UTC, datetime

from celery.exceptions import Ignore

from overheard import mirroring, publishing
from overheard.errors import TrainingFailed, TrainingRuns
from overheard.store import trainings
from worker import context, names
from worker.app import app
from worker.living import heard_of
from worker.report import report

log = logging.getLogger(__name__)


@app.task(name=names.TRAIN, acks_late=False)  # a visibility timeout would run it twice: its lease is in the database
def train(job_id: str) -> dict[str, object]:
    from overheard.training.run import run

    job = run(job_id, context.get().database, context.get().settings, report)
    if job is None or job.state not in ("succeeded", "failed"):
        raise Ignore  # another worker is at it, or it was cancelled: Celery would call that a success
    for follows in (names.MIRROR, names.PUBLISH):
        app.send_task(follows)
    if job.state == "failed":
        raise TrainingFailed(str(job.error))
    return {"done": job.done, "model": (job.facts or {}).get("model")}


@app.task(name=names.RETRAIN)
def retrain() -> None:
    """The weekly one: not when nobody has labelled anything since the last, nor where nobody could train."""
    house, now = context.get(), datetime.now(UTC)
    with house.database.read() as session:
        is_due = trainings.has_news(session)
    if not is_due or not heard_of(house.redis, names.TRAINERS):
        log.info("no weekly training: %s", "no training worker" if is_due else "no new labels")
        return
    try:
        job = trainings.start(house.database, {}, owner="beat", now=now, lease_s=house.settings.lease_s)
    except TrainingRuns as running:
        log.info("no weekly training: %s", running)
    else:
        app.send_task(names.TRAIN, args=[job.id], task_id=job.id)


@app.task(name=names.MIRROR)
def mirror() -> None:
    mirroring.mirror(context.get().database, context.get().settings)


@app.task(name=names.PUBLISH)
def publish() -> None:
    publishing.publish_champion(context.get().database, context.get().settings, datetime.now(UTC))
