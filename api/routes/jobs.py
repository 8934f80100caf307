"""Work that outlives its request: `/jobs`."""

import time
from collections.abc import Iterator

from flask import Response, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field

from api.auth import requires
from api.routes.inference import ScoreList, scored
from api.schemas import SECURED, JobDetail, JobView, Kind, PageQuery, Problem, State, encode_cursor
from api.services import Services, services
from overheard.errors import ScoringUnavailable
from overheard.store import jobs, parts
from overheard.store.keys import Role

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


class JobsQuery(PageQuery):
    state: State | None = None
    kind: Kind | None = None


class JobPage(BaseModel):
    jobs: list[JobView]
    next_cursor: str | None = Field(description="null on the last page")


@blueprint.get("", summary="Newest first", responses={200: JobPage})
@requires(Role.viewer)
def list_jobs(query: JobsQuery) -> Response:
    with services().database.read() as session:
        found = jobs.page(session, query.state, query.kind, query.after, query.limit + 1)
    shown = found[: query.limit]
    more = encode_cursor(shown[-1].created_at, shown[-1].id) if len(found) > query.limit else None
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


EVENTS = {"description": "`job` events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}


@blueprint.get("/<job_id>/events", summary="The job as server-sent events, until it has ended", responses={200: EVENTS})
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
