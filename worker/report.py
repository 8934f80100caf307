"""Tell the result backend how a job stands, so that Flower, `AsyncResult` and any Celery client see it."""

from celery import states

from overheard.errors import ScoringFailed
from overheard.store.tables import Job
from worker.app import app

CELERY_STATES = {
    "queued": "PROGRESS",
    "running": "PROGRESS",
    "succeeded": states.SUCCESS,
    "failed": states.FAILURE,
    "cancelled": states.REVOKED,
}


def report(job: Job) -> None:
    """Callers see to it that this is said at most once a second per job."""
    error = job.error and ScoringFailed(f"{job.error['title']}: {job.error['detail']}")
    facts = {"stage": job.stage, "done": job.done, "total": job.total}
    app.backend.store_result(job.id, error or facts, CELERY_STATES[job.state])
