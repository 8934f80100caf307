"""Tell the result backend how a job stands, so that Flower, `AsyncResult` and any Celery client see it."""

from celery import states
from celery.exceptions import TaskRevokedError

from overheard.errors import ScoringFailed
from overheard.store.tables.work import Job
from worker.app import app

SHOWN = ("epoch", "loss", "macro_recall", "eta_s", "model")
"""Of a training's facts, those that change while it runs, and what it led to."""


def report(job: Job) -> None:
    """Callers see to it that this is said at most once a second per job."""
    facts = {"stage": job.stage, "done": job.done, "total": job.total}
    facts |= {name: value for name, value in (job.facts or {}).items() if name in SHOWN}
    store = app.backend.store_result
    if job.state == "succeeded":
        store(job.id, facts, states.SUCCESS)
    elif job.state == "failed" and job.error:
        store(job.id, ScoringFailed(f"{job.error['title']}: {job.error['detail']}"), states.FAILURE)
    elif job.state == "cancelled":
        store(job.id, TaskRevokedError("cancelled"), states.REVOKED)
    else:
        store(job.id, facts, "PROGRESS")
