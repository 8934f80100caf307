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
from worker.slots import NotNow, once_a_slot

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


@app.task(name=names.RETRAIN, bind=True)
@once_a_slot
def retrain(due_at: datetime) -> dict[str, object]:
    """The weekly one. Raises NotNow where nobody could train, and while a training is unfinished."""
    house = context.get()
    with house.database.read() as session:
        if reason := trainings.why_not(session, due_at):
            log.info("no weekly training: %s", reason)
            return {"job_id": None, "why": reason}
    if not heard_of(house.redis, names.TRAINERS):
        raise NotNow("no training worker")
    try:
        job = trainings.start(house.database, {}, owner="beat", now=datetime.now(UTC), lease_s=house.settings.lease_s)
    except TrainingRuns as running:
        raise NotNow(str(running)) from None
    app.send_task(names.TRAIN, args=[job.id], task_id=job.id)
    return {"job_id": job.id}


@app.task(name=names.MIRROR)
def mirror() -> None:
    mirroring.mirror(context.get().database, context.get().settings)


@app.task(name=names.PUBLISH)
def publish() -> None:
    publishing.publish_champion(context.get().database, context.get().settings, datetime.now(UTC))
