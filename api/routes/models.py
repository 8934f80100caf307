"""Model versions: which there are, how they did, and which of them serves."""

from datetime import UTC, datetime
from typing import Any, Literal

from flask import Response, g, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field

from api.auth import requires
from api.schemas import SECURED, OptionalBody, PageQuery, Problem, encode_cursor
from api.services import services
from overheard.store import models
from overheard.store.keys import Role
from overheard.store.tables.learning import Champion, Model

Alias = Literal["champion", "previous", "challenger"]

blueprint = APIBlueprint(
    "models",
    __name__,
    url_prefix="/models",
    abp_tags=[{"name": "models", "description": "Versions, and which of them serves"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 409, 415, 422, 503), Problem),
)


class ModelView(BaseModel):
    version: str
    name: str
    base: str = Field(description="What its training started from")
    alias: Alias | None
    data_hash: str | None = Field(description="Of the snapshot that it was trained on")
    verdict: dict[str, Any] | None = Field(description="What the gate said, and why")
    job_id: str | None = Field(description="Of the training that made it")
    published: dict[str, Any] | None = Field(description="Its way to the Hub")
    created_at: datetime


class ModelDetail(ModelView):
    facts: dict[str, Any] = Field(description="Recipe, data, metrics, environment")


class ChampionView(BaseModel):
    version: str
    previous: str | None
    changed_by: str
    reason: str
    changed_at: datetime


class ModelPage(BaseModel):
    models: list[ModelView]
    champion: ChampionView | None = Field(description="Who chose it, when, and why; null while the first model serves")
    serving: dict[str, list[str]] = Field(description="Version -> the scoring workers that serve it now")
    next_cursor: str | None = Field(description="null on the last page")


class ModelPath(BaseModel):
    version: str


class Why(OptionalBody):
    reason: str = Field("by hand", max_length=500)


@blueprint.get("", summary="Newest first", responses={200: ModelPage})
@requires(Role.viewer)
def list_models(query: PageQuery) -> Response:
    house = services()
    with house.database.read() as session:
        found = models.page(session, query.after, query.limit + 1)
        aliases = models.aliases(session, house.settings.first_model)
        chosen = models.champion(session)
    shown = found[: query.limit]
    more = encode_cursor(shown[-1].created_at, shown[-1].version) if len(found) > query.limit else None
    serving: dict[str, list[str]] = {}
    for beat in house.desk.crew.living():
        serving.setdefault(beat.model, []).append(beat.worker)
    views = [ModelView.model_validate(_view(model, aliases)) for model in shown]
    champion = _champion(chosen) if chosen else None
    page = ModelPage(models=views, champion=champion, serving=serving, next_cursor=more)
    return jsonify(page.model_dump(mode="json"))


@blueprint.get("/<version>", summary="All that is known of one", responses={200: ModelDetail})
@requires(Role.viewer)
def show(path: ModelPath) -> Response:
    house = services()
    with house.database.read() as session:
        model = models.get(session, path.version)
        aliases = models.aliases(session, house.settings.first_model)
    detail = ModelDetail.model_validate({**_view(model, aliases), "facts": model.facts})
    return jsonify(detail.model_dump(mode="json"))


@blueprint.post("/<version>/promote", summary="Let this version serve", responses={200: ChampionView})
@requires(Role.operator)
def promote(path: ModelPath, body: Why) -> Response:
    house = services()
    with house.database.write() as session:
        chosen = models.promote(
            session, path.version, house.settings.first_model, g.owner, body.reason, datetime.now(UTC)
        )
    house.desk.model_changed()
    return jsonify(_champion(chosen).model_dump(mode="json"))


@blueprint.post("/rollback", summary="Let the previous version serve again", responses={200: ChampionView})
@requires(Role.operator)
def roll_back(body: Why) -> Response:
    with services().database.write() as session:
        chosen = models.roll_back(session, g.owner, body.reason, datetime.now(UTC))
    services().desk.model_changed()
    return jsonify(_champion(chosen).model_dump(mode="json"))


def _view(model: Model, aliases: dict[str, str]) -> dict[str, Any]:
    shown = {name: getattr(model, name) for name in ModelView.model_fields if name != "alias"}
    return {**shown, "alias": aliases.get(model.version)}


def _champion(chosen: Champion) -> ChampionView:
    return ChampionView.model_validate({name: getattr(chosen, name) for name in ChampionView.model_fields})
