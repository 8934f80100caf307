"""The texts of a scoring job, cut into parts that any worker can lease, score and hand back.

A message says only "this job has work"; which part is free is read here, so a message that is lost, doubled or late
can neither lose a part nor score one into the answer twice.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from overheard.errors import Conflict
from overheard.store import jobs, leases
from overheard.store.tables.work import Job, Part

PART_ROWS = 256
PART_CHARS = 64_000  # with 256 tweets of ~90 characters well under 2 s of work on 2 cores, see docs/architecture.md
ROW_CHARS = 1_000  # a longer text is truncated by the tokenizer, so it costs no more than this

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """What is known of one part: scores (n, 3) by the model version that made them."""

    scores: Scores
    model: str


@dataclass(frozen=True)
class Work:
    """A leased part: `texts` to be scored as attempt number `attempt` of part `number`."""

    number: int
    texts: list[str]
    attempt: int


def reading_chars(texts: Sequence[str]) -> int:
    """How many characters of the texts will be read: what scoring them costs."""
    return sum(min(len(text), ROW_CHARS) for text in texts)


def cut(texts: Sequence[str], part_rows: int = PART_ROWS) -> list[list[str]]:
    """Consecutive parts of at most `part_rows` texts and about PART_CHARS characters that will be read."""
    parts: list[list[str]] = []
    room = 0
    for text in texts:
        cost = reading_chars([text])
        if not parts or len(parts[-1]) >= part_rows or room < cost:
            parts.append([])
            room = PART_CHARS
        parts[-1].append(text)
        room -= cost
    return parts


def add_job(
    session: Session,
    parts: Sequence[list[str]],
    answers: Sequence[Answer | None],
    *,
    owner: str,
    idempotency_key: str | None,
    request_hash: str,
    now: datetime,
    lease_s: float,
) -> Job:
    """A queued scoring job; `answers[i]` is what is already known of `parts[i]`."""
    job = Job(
        id=jobs.new_id(),
        kind="score",
        state="queued",
        stage="queued",
        total=sum(map(len, parts)),
        done=sum(len(part) for part, answer in zip(parts, answers, strict=True) if answer),
        owner=owner,
        idempotency_key=idempotency_key,
        request_hash=request_hash,
        lease_until=now + timedelta(seconds=lease_s),
        created_at=now,
    )
    session.add(job)
    session.flush()
    for number, (texts, answer) in enumerate(zip(parts, answers, strict=True)):
        part = Part(job_id=job.id, number=number, size=len(texts), texts=packed(texts))
        if answer:
            part.scores, part.model = answer.scores.astype("<f4").tobytes(), answer.model
        session.add(part)
    jobs.note(session, job.id, now, f"accepted: {job.total} messages in {len(parts)} parts")
    return job


def packed(texts: list[str]) -> bytes:
    """Texts as a part keeps them."""
    return zlib.compress(json.dumps(texts).encode(), 1)


def take(session: Session, job_id: str, now: datetime, lease_s: float, max_attempts: int) -> Work | None:
    """Lease the next free part and count the attempt; None when none is free. A part out of attempts parks the job."""
    job = jobs.lock(session, job_id)
    if job.state in jobs.FINISHED or job.stage == jobs.RECEIVING:
        return None
    part = session.scalar(_free(job_id, now).limit(1))
    if part is None:
        return None
    if part.attempts >= max_attempts:
        detail = f"part {part.number} was started {part.attempts} times and never finished; POST /jobs/{job_id}/retry"
        jobs.finish(session, job, "failed", now, {"title": "parked", "detail": detail})
        return None
    jobs.start(session, job, now, "scoring")
    part.attempts += 1
    part.lease_until = job.lease_until = now + timedelta(seconds=lease_s)
    if part.attempts > 1:
        jobs.note(session, job_id, now, f"part {part.number}: attempt {part.attempts}")
    return Work(part.number, json.loads(zlib.decompress(part.texts)), part.attempts)


def count_free(session: Session, job_id: str, now: datetime, at_most: int) -> int:
    """How many parts nobody works at; none of a job that has ended."""
    if jobs.get(session, job_id).state in jobs.FINISHED:
        return 0
    return len(session.execute(_free(job_id, now).with_only_columns(Part.number).limit(at_most)).all())


def _free(job_id: str, now: datetime) -> Select[Part]:
    has_no_lease = or_(Part.lease_until.is_(None), leases.has_ended(Part.lease_until, now))
    return select(Part).where(Part.job_id == job_id, Part.scores.is_(None), has_no_lease).order_by(Part.number)


def renew(session: Session, job_id: str, number: int, now: datetime, lease_s: float) -> bool:
    """A worker that is slow and not dead keeps its part; False when nobody wants its scores any more."""
    job = jobs.lock(session, job_id)
    part = session.get_one(Part, (job_id, number))
    if job.state in jobs.FINISHED or part.scores is not None:
        return False
    part.lease_until = job.lease_until = now + timedelta(seconds=lease_s)
    return True


def give_back(session: Session, job_id: str, number: int, answer: Answer, now: datetime) -> Job:
    """Store a part's scores, the first that come, in place of its texts; the last part ends the job."""
    job = jobs.lock(session, job_id)
    part = session.get_one(Part, (job_id, number))
    if part.scores is None and job.state not in jobs.FINISHED:
        part.scores, part.model, part.lease_until = answer.scores.astype("<f4").tobytes(), answer.model, None
        part.texts = b""
        job.done += part.size
        if job.done == job.total:
            jobs.finish(session, job, "succeeded", now)
    return job


def result(session: Session, job_id: str) -> Answer:
    """All scores (total, 3) in input order. Raises NotFound; Conflict when the job has not succeeded."""
    job = jobs.get(session, job_id)
    if job.kind != "score":
        raise Conflict(f"job {job_id} is a {job.kind}: GET /batches/{job_id}/results has its scored rows")
    if job.state != "succeeded":
        raise Conflict(f"job {job_id} is {job.state}; its result is there once it has succeeded")
    rows = session.execute(select(Part.scores, Part.model).where(Part.job_id == job_id).order_by(Part.number)).all()
    scores = np.frombuffer(b"".join(row.scores for row in rows), dtype="<f4").reshape(-1, 3)
    return Answer(scores, ",".join(dict.fromkeys(row.model for row in rows)))
