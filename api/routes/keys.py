"""Bearer keys: `/keys`. Admins only; a key's secret is shown once, when it is made or rotated."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from flask import Response, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field, RootModel

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


class KeyList(RootModel[list[KeyView]]):
    """Oldest first."""


class MadeKey(KeyView):
    key: str = Field(description="Shown this once")


def _view(key: Key, secret: str | None = None) -> dict[str, Any]:
    facts = {name: getattr(key, name) for name in ("id", "name", "role", "created_at", "last_used_at")}
    facts["old_until"] = key.old_until if key.old_until and key.old_until > datetime.now(UTC) else None
    view = MadeKey.model_validate({**facts, "key": secret}) if secret else KeyView.model_validate(facts)
    return view.model_dump(mode="json")


@blueprint.get("", summary="Living keys", responses={200: KeyList})
@requires(Role.admin)
def list_keys() -> Response:
    with services().database.read() as session:
        return jsonify([_view(key) for key in keys.living(session)])


@blueprint.post("", summary="Make a key", responses={201: MadeKey})
@requires(Role.admin)
def make(body: NewKey) -> tuple[Response, int]:
    with services().database.write() as session:
        key, secret = keys.create(session, body.name, Role[body.role], datetime.now(UTC))
    return jsonify(_view(key, secret)), 201


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
    return jsonify(_view(key, secret))


@blueprint.delete("/<key_id>", summary="Revoke", responses={204: None, 404: Problem})
@requires(Role.admin)
def revoke(path: KeyPath) -> tuple[str, int]:
    with services().database.write() as session:
        keys.revoke(session, path.key_id, datetime.now(UTC))
    return "", 204
