"""Bearer keys: `/keys`. Admins only; a key's secret is shown once, when it is made."""

from datetime import UTC, datetime
from typing import Literal

from flask import Response, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field, RootModel

from api.auth import requires
from api.schemas import SECURED, Problem
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


class KeyView(BaseModel):
    id: str
    name: str
    role: RoleName
    created_at: datetime


class KeyList(RootModel[list[KeyView]]):
    """Oldest first."""


class MadeKey(KeyView):
    key: str = Field(description="Shown this once")


def _view(key: Key) -> dict[str, str]:
    return {"id": key.id, "name": key.name, "role": key.role, "created_at": key.created_at.isoformat()}


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
    return jsonify({**_view(key), "key": secret}), 201


@blueprint.delete("/<key_id>", summary="Revoke", responses={204: None, 404: Problem})
@requires(Role.admin)
def revoke(path: KeyPath) -> tuple[str, int]:
    with services().database.write() as session:
        keys.revoke(session, path.key_id, datetime.now(UTC))
    return "", 204
