"""For orchestrators: `/health/live` and `/health/ready`, open to all."""

from typing import Literal

from flask import Response, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.services import services
from overheard.errors import ScoringUnavailable

blueprint = APIBlueprint(
    "health", __name__, url_prefix="/health", abp_tags=[{"name": "health", "description": "For orchestrators"}]
)


class Live(BaseModel):
    status: Literal["live"]


class Ready(BaseModel):
    status: Literal["ready", "not ready"]
    checks: dict[str, str] = Field(description="What is looked at, and `ok` or what is wrong")
    models: list[str] = Field(description="Versions that scoring workers serve")
    problems: list[str] = Field(description="What they told was wrong with them")


class Trainers(BaseModel):
    status: Literal["ready", "no training worker"]
    workers: list[str]


@blueprint.get("/live", summary="This process answers", responses={200: Live})
def live() -> Response:
    return jsonify({"status": "live"})


@blueprint.get(
    "/ready",
    summary="Redis and the database answer, and a scoring worker was heard of within 10 s",
    responses=dict.fromkeys((200, 503), Ready),
)
def ready() -> tuple[Response, int]:
    checks: dict[str, str] = {"database": "ok", "redis": "ok", "worker": "ok"}
    models: list[str] = []
    problems: list[str] = []
    try:
        with services().database.read() as session:
            session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        checks["database"] = "does not answer"
    try:
        crew = services().desk.crew.living()
        models = sorted({beat.model for beat in crew})
        problems = sorted({beat.problem for beat in crew if beat.problem})
        if not models:
            checks["worker"] = "no scoring worker was heard of within 10 s"
    except ScoringUnavailable as error:
        checks["redis"] = checks["worker"] = str(error)
    is_ready = all(state == "ok" for state in checks.values())
    body = {"status": "ready" if is_ready else "not ready", "checks": checks, "models": models, "problems": problems}
    return jsonify(body), 200 if is_ready else 503


@blueprint.get(
    "/training",
    summary="A training worker was heard of within 10 s",
    responses=dict.fromkeys((200, 503), Trainers),
)
def training() -> tuple[Response, int]:
    trainers = services().desk.crew.trainers()
    return jsonify({"status": "ready" if trainers else "no training worker", "workers": trainers}), (
        200 if trainers else 503
    )
