"""How a brand is spoken of over time: `/brands/{id}/sentiment`."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from flask import Response, jsonify
from flask_openapi import APIBlueprint
from pydantic import AwareDatetime, BaseModel, Field, field_validator
from werkzeug.exceptions import UnprocessableEntity

from api.auth import requires
from api.routes.brands import BrandPath
from api.schemas import SECURED, Problem
from api.services import services
from overheard.store import brands, series
from overheard.store.keys import Role
from overheard.store.series import Point, Step

DEFAULT_SPAN = timedelta(days=30)

blueprint = APIBlueprint(
    "sentiment",
    __name__,
    url_prefix="/brands",
    abp_tags=[{"name": "brands"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 422, 503), Problem),
)


class SentimentQuery(BaseModel):
    since: AwareDatetime | None = Field(None, description="30 days before `until` by default")
    until: AwareDatetime | None = Field(None, description="Now by default")
    step: Step = Step.day
    tz: str = Field("UTC", description="IANA time zone in which days begin, like Europe/Berlin")
    source: str | None = Field(None, max_length=32, description="Of one source only")

    @field_validator("tz")
    @classmethod
    def _exists(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError(f"there is no time zone {name[:50]!r}; write it like Europe/Berlin")
        return name


class Counts(BaseModel):
    negative: int
    neutral: int
    positive: int


class Means(BaseModel):
    negative: float
    neutral: float
    positive: float


class PointView(BaseModel):
    since: datetime
    until: datetime
    posts: int
    scored: int = Field(description="Posts with a score; the others wait for theirs")
    reach: int = Field(description="How often these posts were reposted")
    called: Counts = Field(description="Posts by the most probable class")
    means: Means | None = Field(description="Of the probabilities; null without a scored post")
    is_complete: bool = Field(description="false: a feed did not hear everything then, so silence need not be calm")

    @classmethod
    def of(cls, point: Point) -> "PointView":
        return cls.model_validate({name: getattr(point, name) for name in cls.model_fields})


class Series(BaseModel):
    brand_id: int
    step: Step
    tz: str
    points: list[PointView]


@blueprint.get("/<brand_id>/sentiment", summary="Posts and sentiment over time", responses={200: Series})
@requires(Role.viewer)
def sentiment(path: BrandPath, query: SentimentQuery) -> Response:
    until = query.until or datetime.now(UTC)
    since = query.since or until - DEFAULT_SPAN
    if since >= until:
        raise UnprocessableEntity("since: must be before until")
    try:
        times = series.edges(since.astimezone(UTC), until.astimezone(UTC), query.step, ZoneInfo(query.tz))
    except (ValueError, OverflowError) as error:
        raise UnprocessableEntity(f"since: {error}") from None
    with services().database.read() as session:
        brands.get(session, path.brand_id)
        points = series.read(session, path.brand_id, times, query.source)
    found = Series(brand_id=path.brand_id, step=query.step, tz=query.tz, points=[PointView.of(one) for one in points])
    return jsonify(found.model_dump(mode="json"))
