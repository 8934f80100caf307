"""Bodies and answers of more than one route, as pydantic models: they validate, serialise and document."""

import base64
import binascii
import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from overheard.store import jobs
from overheard.store.tables.work import Job, JobLine

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Kind = Literal["score", "batch", "training"]
"""Of jobs: texts of /inference that took longer, a file, a training."""
RowId = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""The id of a row that is counted."""
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
Time = Annotated[AwareDatetime, Field(ge=EARLIEST, le=LATEST)]
"""With a zone, and so that weeks and years can be added and taken away."""
NO_CURSOR = "not a cursor of ours"
SECURED: list[dict[str, list[str]]] = [{"bearer": []}, {"basic": []}]


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    status: int
    title: str
    detail: str


class Progress(BaseModel):
    done: int
    total: int
    rejected: int = Field(description="Rows of a batch that could not be read; they are not among the total")
    rows_per_s: float | None = Field(
        description="Mean rate since the job was started; null before anything is done, and for trainings"
    )
    eta_s: float | None = Field(description="Seconds left at that rate")


class LogLine(BaseModel):
    at: datetime
    line: str


class JobView(BaseModel):
    id: str = Field(description="Also the id of its Celery task")
    kind: str
    owner: str = Field(description="Who asked for it: the id of a key, `admin`, or what started it by itself")
    state: State
    stage: str
    progress: Progress
    error: dict[str, Any] | None = Field(description="`title` and `detail` of what went wrong")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, job: Job, **more: Any) -> Self:
        now = datetime.now(UTC)
        rate = jobs.rate(job, now) if job.kind in jobs.SCORED else None
        facts = job.facts or {}
        progress = {
            **{name: getattr(job, name) for name in ("done", "total", "rejected")},
            "rows_per_s": rate and round(rate, 1),
            "eta_s": facts.get("eta_s", jobs.eta_s(job, now)) if job.state == "running" else None,
        }
        shown = ("id", "kind", "owner", "state", "stage", "error", "created_at", "started_at", "finished_at")
        return cls.model_validate({**{name: getattr(job, name) for name in shown}, "progress": progress, **more})


class JobDetail(JobView):
    celery_state: str | None = Field(description="What the result backend says; null when it does not answer")
    facts: dict[str, Any] = Field(description="What a training tells: epoch, loss, macro_recall, snapshot, verdict, …")
    log: list[LogLine] = Field(description="The last lines of the job's log")

    @classmethod
    def with_log(cls, job: Job, lines: list[JobLine], celery_state: str | None) -> Self:
        log = [{"at": line.at, "line": line.line} for line in lines]
        return cls.of(job, celery_state=celery_state, log=log, facts=job.facts or {})


class Accepted(BaseModel):
    message: str
    job_id: str
    state: State
    status_url: str
    result_url: str


class OptionalBody(BaseModel):
    """A body whose fields may all be left out, and so may it."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _none_is_empty(cls, body: object) -> object:
        return {} if body is None else body


Cursor = tuple[datetime, str]
"""The time and the id of the last row of a page: pages hold each row once, newest first."""


def encode_cursor(at: datetime | float, row_id: str) -> str:
    """at: what the rows are in order of."""
    place = at.isoformat() if isinstance(at, datetime) else repr(at)
    return base64.urlsafe_b64encode(f"{place} {row_id}".encode()).decode()


def decode_cursor(cursor: str) -> Cursor:
    """Raises ValueError for what `encode_cursor` did not make of a time."""
    try:
        at, row_id = _unpacked(cursor)
        parsed = datetime.fromisoformat(at)
        if parsed.tzinfo is None:
            raise ValueError
    except (ValueError, binascii.Error):
        raise ValueError(NO_CURSOR) from None
    return parsed, row_id


def decode_ranked(cursor: str) -> tuple[float, str]:
    """Raises ValueError for what `encode_cursor` did not make of a number."""
    try:
        value, row_id = _unpacked(cursor)
        number = float(value)
        if not math.isfinite(number):
            raise ValueError
    except (ValueError, binascii.Error):
        raise ValueError(NO_CURSOR) from None
    return number, row_id


def counted(row_id: str) -> int:
    """The id of a row that is counted. Raises ValueError for another."""
    if not re.fullmatch(r"\d{1,18}", row_id, re.ASCII):
        raise ValueError(NO_CURSOR)
    return int(row_id)


def _unpacked(cursor: str) -> tuple[str, str]:
    place, _, row_id = base64.urlsafe_b64decode(cursor).decode().partition(" ")
    return place, row_id


class PageQuery(BaseModel):
    """Which page of a list. `after` is what the store's functions take."""

    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, description="`next_cursor` of the page before")

    @field_validator("cursor")
    @classmethod
    def _readable(cls, cursor: str | None) -> str | None:
        if cursor is not None:
            decode_cursor(cursor)
        return cursor

    @property
    def after(self) -> Cursor | None:
        return decode_cursor(self.cursor) if self.cursor else None


class CountedPageQuery(PageQuery):
    """Which page of a list whose rows are counted. `after_number` is what the store's functions take."""

    @field_validator("cursor")
    @classmethod
    def _holds_a_number(cls, cursor: str | None) -> str | None:
        if cursor is not None:
            counted(decode_cursor(cursor)[1])
        return cursor

    @property
    def after_number(self) -> tuple[datetime, int] | None:
        return (self.after[0], int(self.after[1])) if self.after else None
