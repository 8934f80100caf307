"""Trainings: jobs that one process does as a whole, one at a time.

A worker has a training for as long as it is heard of (a lease in the job's row); each taking has a number, and what an
older one still says is ignored. So neither a doubled message nor a worker thought dead trains a second time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from overheard.errors import TrainingRuns
from overheard.store import jobs, leases
from overheard.store.database import Database
from overheard.store.labels import Purpose
from overheard.store.tables.learning import Label
from overheard.store.tables.work import Job

KIND = "training"
QUEUED = "waiting for a training worker"


@dataclass(frozen=True)
class Claim:
    """A taken training: number `attempt` of job `job_id`. facts: what earlier attempts told."""

    job_id: str
    attempt: int
    options: dict[str, Any]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Standing:
    """How far a training is. done, total: optimisation steps. facts: what else it tells of itself."""

    stage: str
    done: int = 0
    total: int = 0
    facts: dict[str, Any] | None = None


def start(
    database: Database,
    options: dict[str, Any],
    *,
    owner: str,
    idempotency_key: str | None = None,
    request_hash: str = "",
    now: datetime,
    lease_s: float,
) -> Job:
    """A queued training, committed. Raises TrainingRuns when one is unfinished."""
    job = Job(
        id=jobs.new_id(),
        kind=KIND,
        state="queued",
        stage=QUEUED,
        options=options,
        owner=owner,
        idempotency_key=idempotency_key,
        request_hash=request_hash,
        lease_until=now + timedelta(seconds=lease_s),
        created_at=now,
    )
    try:
        with database.write() as session:
            session.add(job)
            session.flush()
            jobs.note(session, job.id, now, "accepted")
    except IntegrityError:
        with database.read() as session:
            if running := unfinished(session):
                raise TrainingRuns(running.id) from None
        raise
    return job


def unfinished(session: Session) -> Job | None:
    return session.scalar(select(Job).where(Job.kind == KIND, Job.state.in_(jobs.UNFINISHED)))


def resumable(database: Database, options: dict[str, Any], now: datetime) -> Job | None:
    """The unfinished training with these options that nobody works at: its process died or was stopped."""
    with database.read() as session:
        job = unfinished(session)
    is_free = job is not None and (job.state == "queued" or leases.has_ended(job.lease_until, now))
    return job if is_free and job is not None and (job.options or {}) == options else None


def newest(session: Session, state: str | None = None) -> Job | None:
    query = select(Job).where(Job.kind == KIND).order_by(Job.created_at.desc(), Job.id.desc()).limit(1)
    return session.scalar(query.where(Job.state == state) if state else query)


def has_news(session: Session) -> bool:
    """Whether anybody labelled anything for training since the newest training that succeeded was begun."""
    last = newest(session, "succeeded")
    labelled = select(func.max(Label.labelled_at)).where(Label.purpose == Purpose.train)
    at = session.scalar(labelled)
    return at is not None and (last is None or at > last.created_at)


def fresh_labels(session: Session) -> int:
    """How many labels for training are newer than the newest training that succeeded."""
    last = newest(session, "succeeded")
    query = select(func.count()).select_from(Label).where(Label.purpose == Purpose.train)
    return session.scalar(query.where(Label.labelled_at > last.created_at) if last else query) or 0


def why_not(session: Session, due_at: datetime) -> str:
    """Why a training that was due then need not be begun any more; empty when it should be."""
    last = newest(session)
    if last is not None and last.created_at >= due_at:
        return f"training {last.id} was begun since"
    return "" if has_news(session) else "no new labels"


def take(session: Session, job_id: str, now: datetime, lease_s: float, max_attempts: int) -> Claim | None:
    """Take a training; None when it has ended or another worker is at it. One out of attempts fails."""
    job = jobs.lock(session, job_id)
    if job.state in jobs.FINISHED or (job.state == "running" and not leases.has_ended(job.lease_until, now)):
        return None
    if job.attempts >= max_attempts:
        last = f"its process ended {job.attempts} times without a word, last in the stage {job.stage!r}"
        advice = "is there enough memory? See the log of the training worker, then POST /jobs/{id}/retry"
        jobs.finish(session, job, "failed", now, {"title": "parked", "detail": f"{last}: {advice}"})
        return None
    jobs.start(session, job, now, "starting")
    job.state = "running"
    job.attempts += 1
    job.lease_until = now + timedelta(seconds=lease_s)
    if job.attempts > 1:
        jobs.note(session, job_id, now, f"attempt {job.attempts}")
    return Claim(job.id, job.attempts, dict(job.options or {}), dict(job.facts or {}))


def tell(session: Session, claim: Claim, standing: Standing, now: datetime, lease_s: float) -> Job | None:
    """Say how it stands and keep the lease; None when nobody wants the training any more: stop at once."""
    job = jobs.lock(session, claim.job_id)
    if job.state != "running" or job.attempts != claim.attempt:
        return None
    if job.stage != standing.stage:
        jobs.note(session, job.id, now, standing.stage)
    job.stage, job.done, job.total = standing.stage, standing.done, standing.total
    job.facts = {**(job.facts or {}), **(standing.facts or {})}
    job.lease_until = now + timedelta(seconds=lease_s)
    return job
