"""How far posts are from what the model was trained on: `/brands/{id}/drift`."""

from datetime import UTC, datetime, timedelta
from itertools import groupby

from flask import Response, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field

from api.auth import requires
from api.routes.brands import BrandPath
from api.schemas import SECURED, Problem
from api.services import services
from overheard.store import brands, drifts
from overheard.store.keys import Role
from overheard.store.tables.audits import Drift

blueprint = APIBlueprint(
    "drift",
    __name__,
    url_prefix="/brands",
    abp_tags=[{"name": "brands"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 422, 503), Problem),
)


class DriftQuery(BaseModel):
    weeks: int = Field(12, ge=1, le=260, description="So many last weeks, the present one included")


class FeatureView(BaseModel):
    feature: str = Field(description="classes, length, language or vocabulary")
    posts: int = Field(description="Different texts that were compared")
    js: float = Field(description="Jensen-Shannon divergence in bits: 0 the same, 1 nothing in common")
    psi: float = Field(description="Population stability index")
    expected: float = Field(description="What js is on average for as many posts that did not drift")
    limit: float = Field(description="A js beyond this is drift: more than chance, and more than a triviality")
    is_drift: bool
    now: dict[str, float] = Field(description="Shares, where they have names")
    trained: dict[str, float] = Field(description="The same in what the model was trained on")


class WeekView(BaseModel):
    week: datetime = Field(description="Its Monday (UTC)")
    model: str
    is_drift: bool
    features: list[FeatureView] = Field(description="Of which there were posts enough")
    measured_at: datetime

    @classmethod
    def of(cls, rows: list[Drift]) -> "WeekView":
        first = rows[0]
        features = [FeatureView.model_validate(row.figures) for row in rows]
        is_drift = any(row.is_drift for row in rows)
        return cls(
            week=first.week, model=first.model, is_drift=is_drift, features=features, measured_at=first.measured_at
        )


class DriftView(BaseModel):
    brand_id: int
    weeks: list[WeekView] = Field(description="Newest first; one for each model that served in it")
    problem: str | None = Field(description="Why the newest measurement came to nothing, if it did")


@blueprint.get("/<brand_id>/drift", summary="How far from what was trained on", responses={200: DriftView})
@requires(Role.viewer)
def drift(path: BrandPath, query: DriftQuery) -> Response:
    first = drifts.week_of(datetime.now(UTC)) - timedelta(weeks=query.weeks - 1)
    with services().database.read() as session:
        brands.get(session, path.brand_id)
        rows = drifts.since(session, path.brand_id, first)
        problem = drifts.problem(session)
    weeks = [WeekView.of(list(same)) for _, same in groupby(rows, key=lambda row: (row.week, row.model))]
    view = DriftView(brand_id=path.brand_id, weeks=weeks, problem=problem)
    return jsonify(view.model_dump(mode="json"))
