"""Work that was accepted, and who may ask for it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from overheard.store.tables.base import Table, partial_index


class Job(Table):
    """Work that was accepted and outlives its request. Its id is the Celery task's id.

    state: queued -> running -> succeeded | failed | cancelled; `overheard.store.jobs` holds the transitions.
    lease_until: when it has passed and the job is unfinished, its message is lost and the reaper sends another.
    done_before: what was done already when it was (last) started, and says nothing about the rate.
    rejected: rows of its input that could not be read; they are not among the total.
    options: what was asked for, where the kind of job has a choice. facts: what it tells of itself beyond its progress.
    attempts: how often a worker took a job that is not cut into parts; a number that grew since fences off a worker
    that was thought dead. mirrored_at: when MLflow was told of a training that had ended.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("owner", "idempotency_key"),
        Index("ix_jobs_created", "created_at", "id"),
        Index("ix_jobs_kind", "kind", "created_at", "id"),
        Index("ix_jobs_unfinished", "state", "lease_until"),
        partial_index(
            "ux_jobs_one_training", "kind", where="kind = 'training' AND state IN ('queued', 'running')", unique=True
        ),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    stage: Mapped[str] = mapped_column(String(64))
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    done_before: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[int] = mapped_column(default=0)
    error: Mapped[dict[str, Any] | None]
    options: Mapped[dict[str, Any] | None]
    facts: Mapped[dict[str, Any] | None]
    attempts: Mapped[int] = mapped_column(default=0)
    owner: Mapped[str] = mapped_column(String(64))
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    request_hash: Mapped[str] = mapped_column(String(64))
    lease_until: Mapped[datetime]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    mirrored_at: Mapped[datetime | None]


class Part(Table):
    """A slice of a job's texts, small enough for one task. Free while it has no scores and no live lease.

    size: rows that are done with it; a batch's rows without text are among them, but not among its texts.
    """

    __tablename__ = "parts"
    __table_args__ = (partial_index("ix_parts_unscored", "job_id", "number", where="scores IS NULL"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int]
    texts: Mapped[bytes] = mapped_column(LargeBinary)
    scores: Mapped[bytes | None] = mapped_column(LargeBinary)
    model: Mapped[str | None] = mapped_column(String(64))
    attempts: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]


class Batch(Table):
    """An uploaded file whose rows a job scores. rejects: the first malformed rows, `{"line", "reason"}` each."""

    __tablename__ = "batches"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    filename: Mapped[str] = mapped_column(String(255))
    format: Mapped[str] = mapped_column(String(16))
    text_column: Mapped[str] = mapped_column(Text)
    prefix: Mapped[str] = mapped_column(Text)
    rejects: Mapped[list[dict[str, Any]]]


class PartRows(Table):
    """The rows that a batch's part came with, all their columns, as a compressed Arrow stream: no worker reads them."""

    __tablename__ = "part_rows"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    rows: Mapped[bytes] = mapped_column(LargeBinary)


class JobLine(Table):
    """One line of a job's log."""

    __tablename__ = "job_lines"
    __table_args__ = (Index("ix_job_lines_job", "job_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    line: Mapped[str] = mapped_column(Text)


class Key(Table):
    """A bearer key: only its SHA-256 is kept (keys are 256 random bits, so a slow hash would add nothing).

    old_hash: of the secret before the last rotation, which opens too until `old_until`. last_used_at: to the minute.
    """

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(16))
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    old_hash: Mapped[str | None] = mapped_column(String(64))
    old_until: Mapped[datetime | None]
