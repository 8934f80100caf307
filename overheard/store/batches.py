"""An uploaded file's rows as a job: cut into parts that workers score, kept beside the columns that they came with."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from overheard.errors import Conflict, NotFound
from overheard.formats import Format
from overheard.store import jobs, parts
from overheard.store.database import Database
from overheard.store.parts import Answer
from overheard.store.tables.work import Batch, Job, Part, PartRows

PART_ROWS = 1000
MAX_REJECTS = 1000
"""Malformed rows that are kept with their reasons; the rest are counted."""
READ_AT_ONCE = 8  # parts


@dataclass(frozen=True)
class Upload:
    """What a caller said of a file. `request_hash` tells one upload from another under the same idempotency key."""

    owner: str
    idempotency_key: str | None
    request_hash: str
    filename: str
    format: Format
    text_column: str
    prefix: str


class NewPart(NamedTuple):
    """`texts`: those of the `size` rows that have one; `rows`: all of them as Arrow's bytes."""

    size: int
    texts: list[str]
    rows: bytes


class ScoredPart(NamedTuple):
    """`answer` holds the scores (n, 3) of those rows that have a text."""

    rows: bytes
    answer: Answer


class Rejects:
    """Malformed rows: all are counted, the first are kept."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[dict[str, Any]] = []

    def add(self, line: int, reason: str) -> None:
        self.count += 1
        if len(self.first) < MAX_REJECTS:
            self.first.append({"line": line, "reason": reason})


def begin(session: Session, upload: Upload, total: int, rejects: Rejects, now: datetime, lease_s: float) -> Job:
    """A job that is still being received; IntegrityError at the flush when the key has made one already."""
    job = Job(
        id=jobs.new_id(),
        kind="batch",
        state="queued",
        stage=jobs.RECEIVING,
        total=total,
        done=0,
        rejected=rejects.count,
        owner=upload.owner,
        idempotency_key=upload.idempotency_key,
        request_hash=upload.request_hash,
        lease_until=now + timedelta(seconds=lease_s),
        created_at=now,
    )
    session.add(job)
    session.flush()
    said = {name: value for name, value in asdict(upload).items() if name in Batch.__table__.columns}
    session.add(Batch(job_id=job.id, rejects=rejects.first, **said))
    return job


def add_parts(session: Session, job_id: str, first: int, new: Sequence[NewPart], now: datetime, lease_s: float) -> None:
    """Parts number `first` and on. Raises NotFound when the job was taken for abandoned."""
    job = jobs.lock(session, job_id)
    job.lease_until = now + timedelta(seconds=lease_s)
    for number, (size, texts, rows) in enumerate(new, first):
        part = Part(job_id=job_id, number=number, size=size, texts=parts.packed(texts) if texts else b"")
        if not texts:
            part.scores, part.model = b"", ""
            job.done += size
        session.add_all([part, PartRows(job_id=job_id, number=number, rows=rows)])


def complete(session: Session, job_id: str, part_count: int, now: datetime, lease_s: float) -> None:
    """All parts are there. Raises NotFound when the job was taken for abandoned."""
    job = jobs.lock(session, job_id)
    job.stage, job.lease_until = "queued", now + timedelta(seconds=lease_s)
    rejected = f", {job.rejected} rejected" if job.rejected else ""
    jobs.note(session, job_id, now, f"accepted: {job.total} rows in {part_count} parts{rejected}")
    if job.done == job.total:
        jobs.finish(session, job, "succeeded", now)


def get(session: Session, job_id: str) -> tuple[Job, Batch]:
    """Raises NotFound."""
    found = session.execute(select(Job, Batch).join(Batch, Batch.job_id == Job.id).where(Job.id == job_id)).first()
    if found is None:
        raise NotFound("batch", job_id)
    return found[0], found[1]


def require_results(job: Job) -> None:
    """Raises Conflict that says what to do when there are none."""
    if job.state in jobs.UNFINISHED:
        raise Conflict(f"batch {job.id} is {job.state}, {job.done} of {job.total} rows are done: ask again later")
    if job.state != "succeeded":
        raise Conflict(f"batch {job.id} was {job.state} and has no results: POST /jobs/{job.id}/retry goes on with it")


def scored(database: Database, job_id: str) -> Iterator[ScoredPart]:
    """All parts in order, a few per transaction. Raises NotFound when they are deleted meanwhile."""
    number = 0
    left = _total(database, job_id)
    while left:
        with database.read() as session:
            found = session.execute(_parts_from(job_id, number)).all()
        if [row.number for row in found] != list(range(number, number + len(found))) or not found:
            raise NotFound("batch", job_id)
        for row in found:
            yield ScoredPart(row.rows, Answer(np.frombuffer(row.scores, "<f4").reshape(-1, 3), row.model))
            left -= row.size
        number += len(found)


def _total(database: Database, job_id: str) -> int:
    with database.read() as session:
        return get(session, job_id)[0].total


def _parts_from(job_id: str, number: int) -> Any:
    both = (PartRows.job_id == Part.job_id) & (PartRows.number == Part.number)
    return (
        select(Part.number, Part.size, Part.scores, Part.model, PartRows.rows)
        .join(PartRows, both)
        .where(Part.job_id == job_id, Part.number >= number)
        .order_by(Part.number)
        .limit(READ_AT_ONCE)
    )
