"""Scoring tasks: texts for somebody who waits, and the next parts of a job."""

from typing import Any

from celery import Task
from celery.exceptions import Ignore
from sqlalchemy.exc import OperationalError

from overheard.errors import ScoringFailed
from overheard.scoring.heard import score_next_posts
from overheard.scoring.lanes import Lane
from overheard.scoring.work import score_next_parts, score_pieces
from overheard.store.tables.work import Job
from worker import context, names, replies
from worker.app import app
from worker.report import report

POSTS = "posts"
"""What waits for a turn where a job's id would: the posts that were heard."""


@app.task(name=names.SCORE_TEXTS, bind=True)
def score_texts(self: Task, texts: list[str], sizes: list[tuple[str, int]], lane: str, reply_to: str) -> None:
    """`sizes`: how the texts belong together, as (id, number of texts); each of these pieces is answered by its id."""
    house = context.get()
    if (self.request.delivery_info or {}).get("redelivered"):
        house.redis.incr(names.REDELIVERIES)
    with context.serving().batcher() as batcher:
        answers = score_pieces(batcher, texts, sizes, Lane(lane))
    replies.push(house.redis, reply_to, self.request.id, answers, batcher.engine.version)
    for _, answer in answers:
        if not isinstance(answer, ScoringFailed):
            context.tally().add(batcher.engine.version, answer)


@app.task(name=names.SCORE_JOB, autoretry_for=(OperationalError,), retry_backoff=True)
def score_job(job_id: str) -> dict[str, Any] | None:
    if not context.turns().begin(job_id):
        raise Ignore  # its message is sent again when its turn has come
    try:
        with context.serving().batcher() as batcher:
            job, messages = score_next_parts(context.get().database, batcher, job_id, context.get().settings)
        report(job)
    finally:
        _send(context.turns().end())
    _send(*[job_id] * messages)
    return _outcome(job)


@app.task(name=names.SCORE_POSTS, autoretry_for=(OperationalError,), retry_backoff=True)
def score_posts() -> None:
    if not context.turns().begin(POSTS):
        return  # the message is sent again when its turn has come
    messages = 0
    try:
        with context.serving().batcher() as batcher:
            messages = score_next_posts(context.get().database, batcher, context.get().settings)
    finally:
        _send(context.turns().end())
    _send(*[POSTS] * messages)


def _send(*turns: str | None) -> None:
    """A message for each: of a job, or of the posts that wait."""
    for turn in filter(None, turns):
        if turn == POSTS:
            app.send_task(names.SCORE_POSTS)
        else:
            app.send_task(names.SCORE_JOB, args=[turn], task_id=turn)


def _outcome(job: Job) -> dict[str, Any]:
    if job.state == "failed":
        raise ScoringFailed(str(job.error))
    if job.state != "succeeded":
        raise Ignore  # Celery would call it a success
    return {"done": job.done}
