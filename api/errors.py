"""Domain error -> status and problem+json body (RFC 9457). The only place that knows both."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, json
from pydantic import ValidationError
from redis import RedisError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from overheard.errors import (
    Conflict,
    DataError,
    NoRoom,
    NotFound,
    NotSigned,
    OverheardError,
    ScoringFailed,
    ScoringUnavailable,
    TrainingRuns,
)
from overheard.store.database import is_full

STATUSES: dict[type[OverheardError], int] = {
    NotSigned: 401,
    NotFound: 404,
    Conflict: 409,
    DataError: 422,
    ScoringFailed: 500,
    ScoringUnavailable: 503,
    NoRoom: 507,
}
log = logging.getLogger(__name__)


def problem(status: int, detail: str, **more: Any) -> Response:
    """`more` joins the body; `retry_after_s` is also sent as a header."""
    body = {"type": "about:blank", "status": status, "title": HTTPStatus(status).phrase, "detail": detail, **more}
    response = Response(json.dumps(body), status, content_type="application/problem+json")
    if "retry_after_s" in more:
        response.headers["Retry-After"] = str(more["retry_after_s"])
    return response


def invalid(error: ValidationError) -> Response:
    """422 that names each field, with its index in a list, and why. What was sent is not repeated."""
    return unusable([(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors(include_input=False)])


def unusable(faults: Sequence[tuple[str, str]]) -> Response:
    """422 of (field, reason)."""
    fields = [{"field": field, "reason": reason} for field, reason in faults]
    first = fields[0]
    detail = f"{first['field']}: {first['reason']}" if first["field"] else first["reason"]
    return problem(422, detail, errors=fields[:100])


def register(app: Flask) -> None:
    @app.errorhandler(OverheardError)
    def _domain(error: OverheardError) -> Response:
        status = next((code for kind, code in STATUSES.items() if isinstance(error, kind)), 500)
        more: dict[str, Any] = {}
        if isinstance(error, ScoringUnavailable):
            more["retry_after_s"] = error.retry_after_s
        if isinstance(error, TrainingRuns):
            more["job_id"] = error.job_id
        return problem(status, str(error), **more)

    @app.errorhandler(RedisError)
    @app.errorhandler(OperationalError)
    def _away(error: Exception) -> Response:
        log.error("a store is away: %s", error)
        if isinstance(error, OperationalError) and is_full(error):
            return problem(503, "the database is full: give it more room", retry_after_s=60)
        name = "Redis" if isinstance(error, RedisError) else "the database"
        return problem(503, f"{name} does not answer", retry_after_s=5)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        if error.response is not None:  # flask-openapi's 422, made above
            return error.response  # type: ignore[return-value]
        response = problem(error.code or 500, error.description or error.name)
        response.headers.extend(h for h in error.get_headers() if h[0] not in ("Content-Type", "Content-Length"))
        return response

    @app.errorhandler(Exception)
    def _bug(error: Exception) -> Response:
        log.error("unexpected error", exc_info=error)
        return problem(500, "this is a bug of ours; the log has the rest")
