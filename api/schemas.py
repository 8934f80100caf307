"""Bodies and answers of more than one route, as pydantic models: they validate, serialise and document."""

from datetime import UTC, datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from overheard.store import jobs
from overheard.store.tables import Job, JobLine

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
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
    rows_per_s: float | None = Field(description="Mean rate since the job was started; null before anything is done")
    eta_s: float | None = Field(description="Seconds left at that rate")


class LogLine(BaseModel):
    at: datetime
    line: str


class JobView(BaseModel):
    id: str = Field(description="Also the id of its Celery task")
    kind: str
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
        rate = jobs.rate(job, now)
        progress = {
            **{name: getattr(job, name) for name in ("done", "total", "rejected")},
            "rows_per_s": rate and round(rate, 1),
            "eta_s": jobs.eta_s(job, now),
        }
        shown = ("id", "kind", "state", "stage", "error", "created_at", "started_at", "finished_at")
        return cls.model_validate({**{name: getattr(job, name) for name in shown}, "progress": progress, **more})


class JobDetail(JobView):
    celery_state: str | None = Field(description="What the result backend says; null when it does not answer")
    log: list[LogLine] = Field(description="The last lines of the job's log")

    @classmethod
    def with_log(cls, job: Job, lines: list[JobLine], celery_state: str | None) -> Self:
        log = [{"at": line.at, "line": line.line} for line in lines]
        return cls.of(job, celery_state=celery_state, log=log)


class Accepted(BaseModel):
    message: str
    job_id: str
    state: State
    status_url: str
    result_url: str
