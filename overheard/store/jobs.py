"""The life of a job: queued -> running -> succeeded | failed | cancelled; retry leads back to queued.

Every function runs inside the caller's transaction and locks the job's row first, so two callers never both win.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Select, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from overheard.errors import Conflict, NotFound
from overheard.store import leases
from overheard.store.database import Database
from overheard.store.tables.work import Job, JobLine, Part, PartRows

UNFINISHED = ("queued", "running")
FINISHED = ("succeeded", "failed", "cancelled")
SCORED = ("score", "batch")
"""Kinds of jobs whose progress counts messages."""
RECEIVING = "receiving"
"""The stage of a job whose upload is still being cut into parts: nobody works on it, and it can still vanish."""
LOG_TAIL_LINES = 20
DELETED_AT_ONCE = 100  # parts: writers wait for each other, so a transaction is short


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


def page(
    session: Session, state: str | None, kind: str | None, after: tuple[datetime, str] | None, limit: int
) -> list[Job]:
    """Newest first; `after` is (created_at, id) of the last job that the caller has."""
    query = select(Job).order_by(Job.created_at.desc(), Job.id.desc()).limit(limit)
    if state:
        query = query.where(Job.state == state)
    if kind:
        query = query.where(Job.kind == kind)
    if after:
        at, last_id = after
        query = query.where(or_(Job.created_at < at, and_(Job.created_at == at, Job.id < last_id)))
    return list(session.scalars(query))


def counts(session: Session) -> dict[str, int]:
    rows = session.execute(select(Job.state, func.count()).group_by(Job.state))
    return dict(rows.all())


def backlog(session: Session) -> int:
    """How many messages unfinished jobs still have to score."""
    left = select(func.coalesce(func.sum(Job.total - Job.done), 0))
    return int(session.scalar(left.where(Job.state.in_(UNFINISHED), Job.kind.in_(SCORED))) or 0)


def note(session: Session, job_id: str, now: datetime, line: str) -> None:
    session.add(JobLine(job_id=job_id, at=now, line=line))


def log_tail(session: Session, job_id: str) -> list[JobLine]:
    newest = select(JobLine).where(JobLine.job_id == job_id).order_by(JobLine.id.desc()).limit(LOG_TAIL_LINES)
    return list(reversed(session.scalars(newest).all()))


def start(session: Session, job: Job, now: datetime, stage: str) -> None:
    if job.state == "queued":
        job.state, job.stage, job.started_at, job.done_before = "running", stage, now, job.done
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
    if job.stage == RECEIVING:
        raise Conflict(f"job {job_id} is still being received: close its upload, or cancel it once it is queued")
    finish(session, job, "cancelled", now)
    return job


def retry(session: Session, job_id: str, now: datetime, lease_s: float) -> Job:
    """Start a failed or cancelled job again; what was done stays done. Raises NotFound, Conflict."""
    job = lock(session, job_id)
    if job.state not in ("failed", "cancelled"):
        raise Conflict(f"job {job_id} is {job.state}; only a failed or cancelled job can be retried")
    job.state, job.stage, job.error, job.finished_at, job.attempts = "queued", "queued", None, None, 0
    job.lease_until = now + timedelta(seconds=lease_s)
    session.execute(
        update(Part).where(Part.job_id == job_id, Part.scores.is_(None)).values(attempts=0, lease_until=None)
    )
    note(session, job_id, now, "retry asked for")
    return job


def reclaim_lost(session: Session, now: datetime, lease_s: float, kinds: Collection[str]) -> list[Job]:
    """Unfinished jobs whose lease ran out: their message is lost, send another. Their lease starts anew.

    kinds: those that somebody could work at. One that is cut into parts stays running: whoever holds a part has a lease
    of its own on it.
    """
    lost = session.scalars(
        select(Job)
        .where(
            Job.state.in_(UNFINISHED),
            Job.stage != RECEIVING,
            leases.has_ended(Job.lease_until, now),
            Job.kind.in_(kinds),
        )
        .with_for_update(skip_locked=True)
    ).all()
    for job in lost:
        job.lease_until = now + timedelta(seconds=lease_s)
        if job.state == "running" or job.kind in SCORED:
            note(session, job.id, now, "no sign of life: queued again")
        if job.kind not in SCORED:
            job.state = "queued"
    return list(lost)


def drop_abandoned(database: Database, now: datetime) -> int:
    """Delete jobs whose receiver died before it had all of the upload; returns how many."""
    return _remove_all(database, select(Job.id).where(Job.stage == RECEIVING, leases.has_ended(Job.lease_until, now)))


def purge(database: Database, now: datetime, keep_days: int) -> int:
    """Delete jobs that ended more than `keep_days` ago, with their texts and scores; returns how many."""
    before = now - timedelta(days=keep_days)
    return _remove_all(database, select(Job.id).where(Job.state.in_(FINISHED), Job.finished_at < before))


def _remove_all(database: Database, found: Select[str]) -> int:
    with database.read() as session:
        ids = session.scalars(found).all()
    for job_id in ids:
        remove(database, job_id)
    return len(ids)


def remove(database: Database, job_id: str) -> None:
    """Delete a job with its texts, rows and scores, in transactions as short as those of other writers."""
    for table in (PartRows, Part):
        some = select(table.number).where(table.job_id == job_id).order_by(table.number).limit(DELETED_AT_ONCE)
        gone = delete(table).where(table.job_id == job_id, table.number.in_(some.scalar_subquery()))
        while True:
            with database.write() as session:
                if not session.execute(gone).rowcount:  # type: ignore[attr-defined]
                    break
    with database.write() as session:
        session.execute(delete(Job).where(Job.id == job_id))


def rate(job: Job, now: datetime) -> float | None:
    """Rows or messages per second since the job was started; None before anything is done."""
    if job.started_at is None or job.done <= job.done_before:
        return None
    seconds = ((job.finished_at or now) - job.started_at).total_seconds()
    return (job.done - job.done_before) / max(seconds, 1e-3)


def eta_s(job: Job, now: datetime) -> float | None:
    """Seconds left at the mean rate so far; None before anything is done."""
    per_s = rate(job, now)
    return round((job.total - job.done) / per_s, 1) if per_s and job.state == "running" else None
