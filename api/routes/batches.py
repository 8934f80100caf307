"""Files of posts: `/batches`."""

import hashlib
import json
import unicodedata
from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Literal
from urllib.parse import quote

from flask import Response, g, jsonify, request
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api import batches as transfers
from api.auth import requires
from api.routes.inference import IdempotencyKey
from api.schemas import SECURED, Accepted, JobView, Problem
from api.services import Services, services
from overheard.errors import Conflict, NotFound, ScoringUnavailable
from overheard.formats import MEDIA_TYPES, Format, media_type
from overheard.store import batches, jobs
from overheard.store.batches import Upload
from overheard.store.keys import Role
from overheard.store.tables.work import Batch, Job

UPLOAD = "batches.upload"  # the one endpoint whose body is no JSON
FULL_RETRY_S = 5
FILE = {"type": "string", "format": "binary"}
BODY = {
    "required": True,
    "content": {
        **{media: {"schema": FILE} for media in MEDIA_TYPES},
        transfers.IN_FORM: {"schema": {"type": "object", "properties": {"file": FILE}, "required": ["file"]}},
    },
}


class UploadQuery(BaseModel):
    text_column: str = Field("text", min_length=1, max_length=255, description="The column that holds the texts")
    prefix: str = Field("", max_length=100, description="Goes before the names of the columns that are added")


class BatchPath(BaseModel):
    job_id: str


class ResultsQuery(BaseModel):
    format: Literal["csv", "jsonl", "parquet"] | None = Field(None, description="Unset: that of the upload")


class AcceptedBatch(Accepted):
    rows: int
    rejected: int = Field(description="Malformed rows, which are left out; the batch tells their lines and reasons")


class RejectedRow(BaseModel):
    line: int
    reason: str


class BatchView(JobView):
    filename: str
    text_column: str
    prefix: str
    rejected_rows: list[RejectedRow] = Field(description=f"The first {batches.MAX_REJECTS:,} of them")
    results_url: str
    expires_at: datetime | None = Field(description="When job and results are deleted; null until it has ended")


blueprint = APIBlueprint(
    "batches",
    __name__,
    url_prefix="/batches",
    abp_tags=[{"name": "batches", "description": "Files of posts"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 422, 503), Problem),
)


@blueprint.post(
    "",
    summary="Score a file: CSV, JSONL or Parquet",
    description="Rows keep their order and columns. A malformed row of a CSV or JSONL file is reported and left out; "
    "a row without text stays, without scores.",
    request_body=BODY,
    responses={202: AcceptedBatch, **dict.fromkeys((400, 409, 413, 415, 507), Problem)},
)
@requires(Role.viewer)
def upload(query: UploadQuery, header: IdempotencyKey) -> tuple[Response, int]:
    house = services()
    house.desk.check_room()
    _enter(house)
    try:
        with closing(transfers.spool(request, house.settings)) as spooled:
            job = _received(house, spooled, query, header.idempotency_key)
    finally:
        house.streams.release()
    accepted = AcceptedBatch(
        message="accepted; ask for its state, then for its results",
        job_id=job.id,
        state=job.state,  # type: ignore[arg-type]
        status_url=f"/batches/{job.id}",
        result_url=f"/batches/{job.id}/results",
        rows=job.total,
        rejected=job.rejected,
    )
    response = jsonify(accepted.model_dump())
    response.headers["Location"] = accepted.status_url
    return response, 202


@blueprint.get("/<job_id>", summary="The job, and its malformed rows", responses={200: BatchView})
@requires(Role.viewer)
def show(path: BatchPath) -> Response:
    house = services()
    with house.database.read() as session:
        job, batch = _get(house, session, path.job_id)
    keep = timedelta(days=house.settings.keep_jobs_days)
    view = BatchView.of(
        job,
        **{name: getattr(batch, name) for name in ("filename", "text_column", "prefix")},
        rejected_rows=batch.rejects,
        results_url=f"/batches/{job.id}/results",
        expires_at=job.finished_at and job.finished_at + keep,
    )
    return jsonify(view.model_dump(mode="json"))


@blueprint.get(
    "/<job_id>/results",
    summary="The scored rows, streamed",
    responses={
        200: {"description": "The rows", "content": {media: {"schema": FILE} for media in MEDIA_TYPES}},
        409: Problem,
    },
)
@requires(Role.viewer)
def results(path: BatchPath, query: ResultsQuery) -> Response:
    house = services()
    with house.database.read() as session:
        job, batch = _get(house, session, path.job_id)
    batches.require_results(job)
    kind: Format = query.format or batch.format  # type: ignore[assignment]
    _enter(house)
    try:
        pieces = _opened(transfers.results(job.id, kind, house.settings))
    except BaseException:
        house.streams.release()
        raise
    response = Response(pieces, content_type=media_type(kind))
    response.call_on_close(house.streams.release)
    response.headers.set(
        "Content-Disposition", "attachment", **_names(f"{PurePath(batch.filename).stem}.scored.{kind}")
    )
    return response


def _names(name: str) -> dict[str, str]:
    """A file's name for a header: as it is, and for those who know ASCII alone (RFC 6266)."""
    if name.isascii():
        return {"filename": name}
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return {"filename": plain, "filename*": f"UTF-8''{quote(name, safe='')}"}


def _enter(house: Services) -> None:
    """A transfer holds a thread for as long as it takes. Raises ScoringUnavailable when as many as may are open."""
    if not house.streams.acquire(blocking=False):
        raise ScoringUnavailable(f"{house.settings.max_streams} streams are open already", FULL_RETRY_S)


def _opened(pieces: Generator[bytes]) -> Iterator[bytes]:
    """Wait for the first piece, so that a failure before it is a status and not an empty file."""
    first = next(pieces)

    def all_pieces() -> Iterator[bytes]:
        with closing(pieces):
            yield first
            yield from pieces

    return all_pieces()


def _received(house: Services, spooled: transfers.Spooled, query: UploadQuery, key: str | None) -> Job:
    facts = [spooled.sha256(), spooled.format, query.text_column, query.prefix]
    request_hash = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    if made := _made_before(house, key, request_hash):
        return made
    said = Upload(g.owner, key, request_hash, spooled.filename, spooled.format, query.text_column, query.prefix)
    job_id = transfers.receive(spooled, said, house.settings)
    if job_id is None:  # the same call, sent twice at once: the other one was first
        made = _made_before(house, key, request_hash)
        if made is None:
            raise Conflict(f"Idempotency-Key {key!r} is in use; send again")
        return made
    with house.database.read() as session:
        job = jobs.get(session, job_id)
    house.desk.resume(job)
    return job


def _made_before(house: Services, key: str | None, request_hash: str) -> Job | None:
    """Raises Conflict for another upload under the key, and while this one is still being received."""
    job = house.desk.made_before(g.owner, key, request_hash)
    if job and job.stage == jobs.RECEIVING:
        raise Conflict(f"job {job.id} is receiving this upload right now: send again in {house.settings.lease_s:.0f} s")
    return job


def _get(house: Services, session: Session, job_id: str) -> tuple[Job, Batch]:
    try:
        return batches.get(session, job_id)
    except NotFound:
        kept = f"a batch is deleted {house.settings.keep_jobs_days} days after it ended (OVERHEARD_KEEP_JOBS_DAYS)"
        raise NotFound("batch", job_id, kept) from None
