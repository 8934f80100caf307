"""Sentiment of texts: `POST /inference`."""

import hashlib
import json
from typing import Annotated

from flask import Response, g, jsonify, request
from flask_openapi import APIBlueprint
from pydantic import BaseModel, BeforeValidator, Field, RootModel

from api import metrics
from api.auth import requires
from api.schemas import SECURED, Accepted, Problem
from api.services import services
from overheard.limits import MAX_MESSAGE_CHARS, MAX_MESSAGES
from overheard.scoring.bundle import LABELS
from overheard.scoring.text import whole
from overheard.store import parts
from overheard.store.keys import Role
from overheard.store.parts import Answer
from overheard.store.tables.work import Job

MAX_WAIT_S = 300


def _whole(message: object) -> object:
    """JavaScript cuts emoji in half: such a post is scored, not refused."""
    return whole(message) if isinstance(message, str) and not message.isascii() else message


Message = Annotated[str, Field(max_length=MAX_MESSAGE_CHARS), BeforeValidator(_whole)]


class Messages(BaseModel):
    messages: list[Message] = Field(max_length=MAX_MESSAGES, examples=[["I love this!", "Never again."]])


class Wait(BaseModel):
    wait: float | None = Field(
        None, ge=0, le=MAX_WAIT_S, description="Seconds to wait before the request becomes a job (default 30)"
    )


class IdempotencyKey(BaseModel):
    idempotency_key: str | None = Field(
        None, alias="Idempotency-Key", max_length=255, description="Send again with the same key: the same job answers"
    )


class Scores(BaseModel):
    negative: float
    neutral: float
    positive: float


class ScoreList(RootModel[list[Scores]]):
    """One per message, in order."""


blueprint = APIBlueprint(
    "inference",
    __name__,
    abp_tags=[{"name": "inference", "description": "Sentiment of texts"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 409, 413, 415, 422, 503), Problem),
)


@blueprint.patch(
    "/inference", operation_id="patch_inference", summary="The same as POST", responses={200: ScoreList, 202: Accepted}
)
@blueprint.post(
    "/inference",
    operation_id="post_inference",
    summary="Probabilities per message, in order",
    description="With `Prefer: respond-async`, or when the answer takes longer than `wait`, 202 and a job.",
    responses={200: ScoreList, 202: Accepted},
)
@requires(Role.viewer)
def infer(body: Messages, query: Wait, header: IdempotencyKey) -> Response:
    asynchronous = "respond-async" in request.headers.get("Prefer", "") or query.wait == 0
    desk, key = services().desk, header.idempotency_key
    if key and (job := desk.made_before(g.owner, key, _hash(body))):
        return _accepted(job)
    cut = parts.cut(body.messages)
    answers: list[Answer | None] = [None] * len(cut)
    if asynchronous:
        desk.check_room()
    else:
        answers = desk.score(cut, query.wait or services().settings.wait_s)
        known = [answer for answer in answers if answer]
        if len(known) == len(cut):
            metrics.MESSAGES.inc(len(body.messages))
            return scored(known)
    return _accepted(desk.add_job(cut, answers, owner=g.owner, idempotency_key=key, request_hash=_hash(body)))


def scored(answers: list[Answer]) -> Response:
    """One object per message; the header names the model versions that made them."""
    rows = [
        dict(zip(LABELS, row, strict=True))
        for answer in answers
        for row in answer.scores.astype(float).round(6).tolist()
    ]
    response = jsonify(rows)
    response.headers["Overheard-Model"] = ", ".join(dict.fromkeys(answer.model for answer in answers))
    return response


def _hash(body: Messages) -> str:
    """Tells one request from another under the same Idempotency-Key."""
    return hashlib.sha256(json.dumps(body.messages).encode()).hexdigest()


def _accepted(job: Job) -> Response:
    accepted = Accepted(
        message="accepted; ask for its state, then for its result",
        job_id=job.id,
        state=job.state,  # type: ignore[arg-type]
        status_url=f"/jobs/{job.id}",
        result_url=f"/jobs/{job.id}/result",
    )
    response = jsonify(accepted.model_dump())
    response.status_code = 202
    response.headers["Location"] = accepted.status_url
    return response
