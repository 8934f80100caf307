"""How right the model is on a brand's posts: `/brands/{id}/quality`."""

from datetime import UTC, datetime, timedelta
from typing import Self

from flask import Response, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field

from api.auth import requires
from api.routes.brands import BrandPath
from api.routes.sentiment import ShareView
from api.schemas import SECURED, Problem
from api.services import services
from overheard.store import brands, qualities
from overheard.store.keys import Role
from overheard.store.tables.audits import Quality

blueprint = APIBlueprint(
    "quality",
    __name__,
    url_prefix="/brands",
    abp_tags=[{"name": "brands"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 422, 503), Problem),
)


class QualityQuery(BaseModel):
    weeks: int = Field(12, ge=1, le=104, description="So many, the present one included")


class FiguresView(BaseModel):
    accuracy: ShareView
    macro_recall: ShareView
    posts: int


class QualityView(BaseModel):
    week: datetime = Field(description="From this Monday, UTC")
    source: str = Field(description="Empty: all")
    language: str = Field(description="Empty: all")
    model: str
    posts: int = Field(description="That this model version has read")
    expected: FiguresView = Field(description="What its own probabilities tell, without a label")
    audited: FiguresView | None = Field(
        description="What people tell of a sample of them; null where those are too few"
    )
    measured_at: datetime

    @classmethod
    def of(cls, row: Quality) -> Self:
        shown = ("week", "source", "language", "model", "posts", "measured_at")
        return cls.model_validate({**{name: getattr(row, name) for name in shown}, **row.figures})


class Qualities(BaseModel):
    brand_id: int
    weeks: list[QualityView]


@blueprint.get("/<brand_id>/quality", summary="How right the model is, week by week", responses={200: Qualities})
@requires(Role.viewer)
def quality(path: BrandPath, query: QualityQuery) -> Response:
    since = datetime.now(UTC) - timedelta(weeks=query.weeks - 1)
    with services().database.read() as session:
        brands.get(session, path.brand_id)
        found = qualities.page(session, path.brand_id, since)
    told = Qualities(brand_id=path.brand_id, weeks=[QualityView.of(row) for row in found])
    return jsonify(told.model_dump(mode="json"))
