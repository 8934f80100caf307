"""What to label next: `/labels/queue`."""

from datetime import UTC, datetime
from typing import Self

import numpy as np
from flask import Response, g, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field

from api.auth import requires
from api.routes.audits import AnswerBody
from api.routes.posts import ScoreView, score_view
from api.schemas import SECURED, Problem, RowId
from api.services import services
from overheard import opaque
from overheard.errors import NotFound
from overheard.store import queue
from overheard.store.keys import Role
from overheard.store.queue import Item

blueprint = APIBlueprint(
    "queue",
    __name__,
    url_prefix="/labels/queue",
    abp_tags=[{"name": "labels", "description": "What people say that texts mean"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 409, 415, 422, 503), Problem),
)


class QueueQuery(BaseModel):
    brand_id: RowId | None = None
    limit: int = Field(20, ge=1, le=200)


class ItemPath(BaseModel):
    item: str = Field(pattern="^[0-9a-f]{16}$")


class ItemView(BaseModel):
    """Without what the model says: it would lead whoever judges. Without a time: audits are of other days."""

    item: str = Field(description="Tells nothing but which post it is, to the server alone")
    text: str
    source: str
    language: str
    brands: list[str]

    @classmethod
    def of(cls, asked: Item) -> Self:
        post = asked.post
        item = opaque.seal(post.id, services().privacy.secret)
        return cls(item=item, text=post.text, source=post.source, language=post.language, brands=list(asked.brands))


class ItemList(BaseModel):
    items: list[ItemView]


class Answered(BaseModel):
    said: ScoreView | None = Field(description="What the model had said")


@blueprint.get(
    "",
    summary="What to label next",
    description="Posts on which the model is unsure and that many have read, without near copies; a few that one other "
    "person has labelled; and posts that were drawn for an audit. They look alike, and come in random order.",
    responses={200: ItemList},
)
@requires(Role.labeller)
def ask(query: QueueQuery) -> Response:
    with services().database.read() as session:
        found = queue.ask(session, query.brand_id, g.owner, query.limit, np.random.default_rng())
    return jsonify(ItemList(items=[ItemView.of(one) for one in found]).model_dump(mode="json"))


@blueprint.post(
    "/<item>",
    summary="Say what a post means",
    description="A newer word replaces the older one; saying it again changes nothing.",
    responses={200: Answered},
)
@requires(Role.labeller)
def answer(path: ItemPath, body: AnswerBody) -> Response:
    with services().database.write() as session:
        said = queue.answer(session, _post_id(path), body.number, g.owner, datetime.now(UTC))
    return jsonify(Answered(said=score_view(said)).model_dump(mode="json"))


@blueprint.delete("/<item>", summary="Take an answer back: it is asked again", responses={204: None})
@requires(Role.labeller)
def take_back(path: ItemPath) -> tuple[str, int]:
    with services().database.write() as session:
        queue.take_back(session, _post_id(path), g.owner)
    return "", 204


def _post_id(path: ItemPath) -> int:
    """Raises NotFound for a name that is not ours."""
    number = opaque.unseal(path.item, services().privacy.secret)
    if number >= 2**63:
        raise NotFound("item", path.item)
    return number
