"""Training, and who is told of what came of it. torch and mlflow are imported where they are needed: all load this."""

from datetime import UTC, datetime

from celery import Task
from celery.exceptions import Ignore

from overheard import mirroring, publishing
from overheard.errors import TrainingFailed
from overheard.store import models, overlap
from worker import context, names, retraining
from worker.app import app
from worker.living import heard_of
from worker.report import report
from worker.slots import once_a_slot

LOOK_AGAIN_S = 5
LOOKS = 12


@app.task(name=names.TRAIN, acks_late=False)  # a visibility timeout would run it twice: its lease is in the database
def train(job_id: str) -> dict[str, object]:
    from overheard.training.run import run

    job = run(job_id, context.get().database, context.get().settings, report)
    if job is None or job.state not in ("succeeded", "failed"):
        raise Ignore  # another worker is at it, or it was cancelled: Celery would call that a success
    for follows in (names.MIRROR, names.PUBLISH, names.SCORE_OVERLAP):
        app.send_task(follows)
    if job.state == "failed":
        raise TrainingFailed(str(job.error))
    return {"done": job.done, "model": (job.facts or {}).get("model")}


@app.task(name=names.RETRAIN, bind=True)
@once_a_slot
def retrain(due_at: datetime) -> dict[str, object]:
    """The weekly one. Raises NotNow where nobody could train, and while a training is unfinished."""
    return retraining.begin(due_at, owner="beat")


@app.task(name=names.MIRROR)
def mirror() -> None:
    mirroring.mirror(context.get().database, context.get().settings)


@app.task(name=names.PUBLISH)
def publish() -> None:
    publishing.publish_champion(context.get().database, context.get().settings, datetime.now(UTC))


@app.task(name=names.SCORE_OVERLAP, bind=True, max_retries=LOOKS)
def score_overlap(self: Task) -> None:
    """As soon as all scoring workers serve the champion; what is not done by then, the timetable does."""
    house, now = context.get(), datetime.now(UTC)
    with house.database.read() as session:
        chosen = models.champion(session)
        wanted = overlap.brand_ids(session, chosen, now) if chosen else ()
    if chosen is None or not wanted:
        return
    if any(beat["model"] != chosen.version for beat in heard_of(house.redis, names.HEARTBEATS).values()):
        if self.request.retries < LOOKS:
            raise self.retry(countdown=LOOK_AGAIN_S)
        return
    asked = 0
    for brand_id in wanted:
        with house.database.write() as session:
            asked += overlap.ask(session, brand_id, chosen)
    if asked:
        app.send_task(names.SCORE_POSTS)
