"""The life of a job: queued -> running -> succeeded | failed | cancelled; retry leads back to queued.

Every function runs inside the caller's transaction and locks the job's row first, so two callers never both win.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.orm import Session

from overheard.errors import Conflict, NotFound
from overheard.store.tables import Job, JobLine, Part

UNFINISHED = ("queued", "running")
FINISHED = ("succeeded", "failed", "cancelled")
LOG_TAIL_LINES = 20


def new_id() -> str:
    return str(uuid4())


def by_idempotency_key(session: Session, owner: str, key: str, request_hash: str) -> Job | None:
    """The job that this call already made. Raises Conflict when the key came with another request before."""
    job = session.scalar(select(Job).where(Job.owner == owner, Job.idempotency_key == key))
    if job is not None and job.request_hash != request_hash:
        raise Conflict(f"Idempotency-Key {key!r} was used with another request")
    return job


def get(session: Session, job_id: str) -> Job:
    """Raises NotFound."""
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound("job", job_id)
    return job


def lock(session: Session, job_id: str) -> Job:
    """The job's row, held until the transaction ends. Raises NotFound."""
    job = session.get(Job, job_id, with_for_update=True)
    if job is None:
        raise NotFound("job", job_id)
    return job


def page(session: Session, state: str | None, after: tuple[datetime, str] | None, limit: int) -> list[Job]:
    """Newest first; `after` is (created_at, id) of the last job that the caller has."""
    query = select(Job).order_by(Job.created_at.desc(), Job.id.desc()).limit(limit)
    if state:
        query = query.where(Job.state == state)
    if after:
        at, last_id = after
        query = query.where(or_(Job.created_at < at, and_(Job.created_at == at, Job.id < last_id)))
    return list(session.scalars(query))


def counts(session: Session) -> dict[str, int]:
    rows = session.execute(select(Job.state, func.count()).group_by(Job.state))
    return dict(rows.all())


def backlog(session: Session) -> int:
    """How many messages unfinished jobs still have to score."""
    left = select(func.coalesce(func.sum(Job.total - Job.done), 0)).where(Job.state.in_(UNFINISHED))
    return int(session.scalar(left) or 0)


def note(session: Session, job_id: str, now: datetime, line: str) -> None:
    session.add(JobLine(job_id=job_id, at=now, line=line))


def log_tail(session: Session, job_id: str) -> list[JobLine]:
    newest = select(JobLine).where(JobLine.job_id == job_id).order_by(JobLine.id.desc()).limit(LOG_TAIL_LINES)
    return list(reversed(session.scalars(newest).all()))


def start(session: Session, job: Job, now: datetime) -> None:
    if job.state == "queued":
        job.state, job.stage, job.started_at = "running", "scoring", now
        note(session, job.id, now, "started")


def finish(session: Session, job: Job, state: str, now: datetime, error: dict[str, Any] | None = None) -> None:
    """`error` holds `title` and `detail`. A finished job stays as it is."""
    if job.state in FINISHED:
        return
    job.state, job.stage, job.error, job.finished_at = state, state, error, now
    note(session, job.id, now, f"{state}: {error['title']}: {error['detail']}" if error else state)


def cancel(session: Session, job_id: str, now: datetime) -> Job:
    """What a worker still has in hand is thrown away when it comes. Raises NotFound; Conflict when it has ended."""
    job = lock(session, job_id)
    if job.state in ("succeeded", "failed"):
        raise Conflict(f"job {job_id} has already {job.state}")
    finish(session, job, "cancelled", now)
    return job


def retry(session: Session, job_id: str, now: datetime, lease_s: float) -> Job:
    """Start a failed or cancelled job again; what was done stays done. Raises NotFound, Conflict."""
    job = lock(session, job_id)
    if job.state not in ("failed", "cancelled"):
        raise Conflict(f"job {job_id} is {job.state}; only a failed or cancelled job can be retried")
    job.state, job.stage, job.error, job.finished_at = "queued", "queued", None, None
    job.lease_until = now + timedelta(seconds=lease_s)
    for part in session.scalars(select(Part).where(Part.job_id == job_id, Part.scores.is_(None))):
        part.attempts, part.lease_until = 0, None
    note(session, job_id, now, "retry asked for")
    return job


def reclaim_lost(session: Session, now: datetime, lease_s: float) -> list[str]:
    """Ids of unfinished jobs whose lease ran out: their message is lost, send another. Their lease starts anew."""
    lost = session.scalars(
        select(Job).where(Job.state.in_(UNFINISHED), Job.lease_until < now).with_for_update(skip_locked=True)
    ).all()
    for job in lost:
        job.lease_until = now + timedelta(seconds=lease_s)
        note(session, job.id, now, "no sign of life: queued again")
    return [job.id for job in lost]


def purge(session: Session, now: datetime, keep_days: int) -> int:
    """Delete jobs that ended more than `keep_days` ago, with their texts and scores; returns how many."""
    old = select(Job.id).where(Job.state.in_(FINISHED), Job.finished_at < now - timedelta(days=keep_days))
    ids = list(session.scalars(old))
    session.execute(delete(Job).where(Job.id.in_(ids)))
    return len(ids)


def eta_s(job: Job, now: datetime) -> float | None:
    """Seconds left at the mean rate so far; None before anything is done."""
    if job.state != "running" or not job.done or job.started_at is None:
        return None
    return round((now - job.started_at).total_seconds() / job.done * (job.total - job.done), 1)
