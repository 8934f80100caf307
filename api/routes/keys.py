"""Bearer keys: `/keys`. Admins only; a key's secret is shown once, when it is made or rotated."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from flask import Response, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field, RootModel
from sqlalchemy.orm import Session

from api.auth import requires
from api.schemas import SECURED, OptionalBody, Problem
from api.services import services
from overheard.store import keys
from overheard.store.keys import Role
from overheard.store.tables.work import Key

RoleName = Literal["admin", "operator", "labeller", "viewer"]

blueprint = APIBlueprint(
    "keys",
    __name__,
    url_prefix="/keys",
    abp_tags=[{"name": "keys", "description": "Who may do what"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 422), Problem),
)


class KeyPath(BaseModel):
    key_id: str


class NewKey(BaseModel):
    name: str = Field(min_length=1, max_length=100, examples=["weekly report"])
    role: RoleName


class Rotation(OptionalBody):
    grace_s: int = Field(86_400, ge=0, le=30 * 86_400, description="So long the old secret opens, too; 0: not at all")


class KeyView(BaseModel):
    id: str
    name: str
    role: RoleName
    created_at: datetime
    last_used_at: datetime | None = Field(description="To the minute; null: never")
    old_until: datetime | None = Field(description="Until then the secret before the last rotation opens, too")

    @classmethod
    def of(cls, key: Key, /, **more: Any) -> Self:
        facts = {name: getattr(key, name, None) for name in KeyView.model_fields}
        facts["old_until"] = key.old_until if key.old_until and key.old_until > datetime.now(UTC) else None
        return cls.model_validate({**facts, **more})


class KeyList(RootModel[list[KeyView]]):
    """Oldest first."""


class MadeKey(KeyView):
    key: str = Field(description="Shown this once")


def views(session: Session) -> list[KeyView]:
    """The living keys, oldest first."""
    return [KeyView.of(key) for key in keys.living(session)]


@blueprint.get("", summary="Living keys", responses={200: KeyList})
@requires(Role.admin)
def list_keys() -> Response:
    with services().database.read() as session:
        return jsonify([view.model_dump(mode="json") for view in views(session)])


@blueprint.post("", summary="Make a key", responses={201: MadeKey})
@requires(Role.admin)
def make(body: NewKey) -> tuple[Response, int]:
    with services().database.write() as session:
        key, secret = keys.create(session, body.name, Role[body.role], datetime.now(UTC))
    return jsonify(MadeKey.of(key, key=secret).model_dump(mode="json")), 201


@blueprint.post(
    "/<key_id>/rotate",
    summary="A new secret for a key",
    description="The key keeps its id, name and role, and the old secret opens for a while, so that what uses it can "
    "be changed without a gap.",
    responses={200: MadeKey, 404: Problem},
)
@requires(Role.admin)
def rotate(path: KeyPath, body: Rotation) -> Response:
    with services().database.write() as session:
        key, secret = keys.rotate(session, path.key_id, timedelta(seconds=body.grace_s), datetime.now(UTC))
    return jsonify(MadeKey.of(key, key=secret).model_dump(mode="json"))


@blueprint.delete("/<key_id>", summary="Revoke", responses={204: None, 404: Problem})
@requires(Role.admin)
def revoke(path: KeyPath) -> tuple[str, int]:
    with services().database.write() as session:
        keys.revoke(session, path.key_id, datetime.now(UTC))
    return "", 204
