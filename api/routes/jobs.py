"""Work that outlives its request: `/jobs`."""

import base64
import binascii
import time
from collections.abc import Iterator
from datetime import datetime

from flask import Response, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field, field_validator

from api.auth import requires
from api.routes.inference import ScoreList, scored
from api.schemas import SECURED, JobDetail, JobView, Problem, State
from api.services import Services, services
from overheard.errors import ScoringUnavailable
from overheard.store import jobs, parts
from overheard.store.keys import Role
from overheard.store.tables import Job

LOOK_EVERY_S = 0.5
HEARTBEAT_S = 15

blueprint = APIBlueprint(
    "jobs",
    __name__,
    url_prefix="/jobs",
    abp_tags=[{"name": "jobs", "description": "Work that outlives its request"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 503), Problem),
)


class JobPath(BaseModel):
    job_id: str


class PageQuery(BaseModel):
    state: State | None = None
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, description="`next_cursor` of the page before")

    @field_validator("cursor")
    @classmethod
    def _readable(cls, cursor: str | None) -> str | None:
        if cursor is not None:
            _decode(cursor)
        return cursor


class JobPage(BaseModel):
    jobs: list[JobView]
    next_cursor: str | None = Field(description="null on the last page")


@blueprint.get("", summary="Newest first", responses={200: JobPage})
@requires(Role.viewer)
def list_jobs(query: PageQuery) -> Response:
    with services().database.read() as session:
        found = jobs.page(session, query.state, _decode(query.cursor) if query.cursor else None, query.limit + 1)
    shown = found[: query.limit]
    more = _encode(shown[-1]) if len(found) > query.limit else None
    return jsonify(JobPage(jobs=[JobView.of(job) for job in shown], next_cursor=more).model_dump(mode="json"))


@blueprint.get("/<job_id>", summary="State, progress, error and the end of the log", responses={200: JobDetail})
@requires(Role.viewer)
def show(path: JobPath) -> Response:
    return jsonify(_detail(services(), path.job_id).model_dump(mode="json"))


@blueprint.get(
    "/<job_id>/result", summary="What /inference would have answered", responses={200: ScoreList, 409: Problem}
)
@requires(Role.viewer)
def result(path: JobPath) -> Response:
    with services().database.read() as session:
        return scored([parts.result(session, path.job_id)])


@blueprint.delete("/<job_id>", summary="Cancel", responses={200: JobView, 409: Problem})
@requires(Role.operator)
def cancel(path: JobPath) -> Response:
    return jsonify(JobView.of(services().desk.cancel(path.job_id)).model_dump(mode="json"))


@blueprint.post(
    "/<job_id>/retry", summary="Start a failed or cancelled job again", responses={202: JobView, 409: Problem}
)
@requires(Role.operator)
def retry(path: JobPath) -> tuple[Response, int]:
    return jsonify(JobView.of(services().desk.retry(path.job_id)).model_dump(mode="json")), 202


@blueprint.get("/<job_id>/events", summary="The job as server-sent events, until it has ended")
@requires(Role.viewer)
def events(path: JobPath) -> Response:
    house = services()
    first = _detail(house, path.job_id)  # an unknown job is a 404, not an empty stream
    if not house.streams.acquire(blocking=False):
        raise ScoringUnavailable(f"{house.settings.max_streams} event streams are open already", 5)
    response = Response(_stream(house, first), content_type="text/event-stream")
    response.call_on_close(house.streams.release)
    return response


def _stream(house: Services, job: JobDetail) -> Iterator[str]:
    sent = ""
    spoke = time.monotonic()
    while not house.desk.is_stopping():
        now = job.model_dump_json()
        if now != sent:
            yield f"event: job\ndata: {now}\n\n"
            sent, spoke = now, time.monotonic()
        elif time.monotonic() - spoke > HEARTBEAT_S:
            yield ": still here\n\n"
            spoke = time.monotonic()
        if job.state in jobs.FINISHED:
            return
        time.sleep(LOOK_EVERY_S)
        job = _detail(house, job.id)


def _detail(house: Services, job_id: str) -> JobDetail:
    with house.database.read() as session:
        job, lines = jobs.get(session, job_id), jobs.log_tail(session, job_id)
    return JobDetail.with_log(job, lines, house.desk.reported_state(job_id))


def _encode(job: Job) -> str:
    return base64.urlsafe_b64encode(f"{job.created_at.isoformat()} {job.id}".encode()).decode()


def _decode(cursor: str) -> tuple[datetime, str]:
    try:
        at, _, job_id = base64.urlsafe_b64decode(cursor).decode().partition(" ")
        parsed = datetime.fromisoformat(at)
        if parsed.tzinfo is None:
            raise ValueError
    except (ValueError, binascii.Error):
        raise ValueError("not a cursor of ours") from None
    return parsed, job_id
