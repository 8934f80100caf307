"""The calls that start and watch a training: `/train/start` and `/train/get_state`."""

from typing import Any, Literal

from flask import Response, g, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field, RootModel

from api.auth import requires
from api.routes.inference import IdempotencyKey
from api.schemas import SECURED, JobView, OptionalBody, Problem
from api.services import services
from overheard.store import trainings
from overheard.store.jobs import FINISHED
from overheard.store.keys import Role

NEVER = {"message": "No training instance running!"}

blueprint = APIBlueprint(
    "training",
    __name__,
    url_prefix="/train",
    abp_tags=[{"name": "training", "description": "Fine-tune the model, prove it, let it serve"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 409, 415, 422, 503), Problem),
)


class TrainingBody(OptionalBody):
    """What is left out is as the settings say."""

    data: str | None = Field(None, min_length=1, description="Base data: a Hub data set `id[:config]`, or a file there")
    base: str | None = Field(None, min_length=1, description="`champion`, a directory, or a Hub id")
    epochs: float | None = Field(None, gt=0, le=100)
    allow_slower: bool = Field(False, description="Promote although it scores more slowly than OVERHEARD_MAX_SLOWDOWN")


class Started(BaseModel):
    message: str
    job_id: str


class NoTraining(BaseModel):
    """Before any training."""

    message: Literal["No training instance running!"]


class TrainingState(BaseModel):
    done: bool
    error: str | None
    state: str
    stage: str
    progress: dict[str, Any]
    job_id: str


class Standing(RootModel[TrainingState | NoTraining]):
    """Of the newest training."""


@blueprint.post("/start", summary="Start a training", responses={202: Started})
@requires(Role.operator)
def start(body: TrainingBody, header: IdempotencyKey) -> tuple[Response, int]:
    asked = {name: value for name, value in body.model_dump().items() if value}
    job = services().desk.start_training(asked, g.owner, header.idempotency_key)
    return jsonify({"message": "Training started!", "job_id": job.id}), 202


@blueprint.get(
    "/get_state", operation_id="get_state", summary="How the newest training stands", responses={200: Standing}
)
@blueprint.post("/get_state", operation_id="post_state", summary="The same", responses={200: Standing})
@requires(Role.viewer)
def state() -> Response:
    with services().database.read() as session:
        job = trainings.newest(session)
    if job is None:
        return jsonify(NEVER)
    shown = JobView.of(job).progress.model_dump()
    facts = {name: (job.facts or {}).get(name) for name in ("epoch", "loss", "macro_recall", "model")}
    return jsonify(
        {
            "done": job.state in FINISHED,
            "error": f"{job.error['title']}: {job.error['detail']}" if job.error else None,
            "state": job.state,
            "stage": job.stage,
            "progress": {**shown, **facts},
            "job_id": job.id,
        }
    )
