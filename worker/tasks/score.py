"""Scoring tasks: texts for somebody who waits, and the next parts of a job."""

from typing import Any

from celery import Task
from celery.exceptions import Ignore
from sqlalchemy.exc import OperationalError

from overheard.errors import ScoringFailed
from overheard.scoring.batcher import Lane
from overheard.scoring.work import score_next_parts
from worker import context, names, replies
from worker.app import app
from worker.report import report


@app.task(name=names.SCORE_TEXTS, bind=True)
def score_texts(self: Task, texts: list[str], reply_to: str) -> None:
    if (self.request.delivery_info or {}).get("redelivered"):
        context.get().redis.incr(names.REDELIVERIES)
    try:
        scores = context.batcher().submit(texts, Lane.interactive).result()
    except ScoringFailed as error:
        replies.refuse(context.get().redis, reply_to, self.request.id, str(error))
    else:
        replies.answer(context.get().redis, reply_to, self.request.id, scores, context.batcher().engine.version)


@app.task(name=names.SCORE_JOB, autoretry_for=(OperationalError,), retry_backoff=True)
def score_job(job_id: str) -> dict[str, Any] | None:
    job, more = score_next_parts(context.get().database, context.batcher(), job_id, context.get().settings)
    report(job)
    if more:
        app.send_task(names.SCORE_JOB, args=[job_id], task_id=job_id)
    if job.state == "failed":
        raise ScoringFailed(str(job.error))
    if job.state != "succeeded":
        raise Ignore  # Celery would call it a success
    return {"done": job.done}
