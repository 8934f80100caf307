"""Why the share of a class moved: `/brands/{id}/changes`."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from flask import Response, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.auth import requires
from api.routes.brands import BrandPath
from api.schemas import SECURED, Problem, Time
from api.services import services
from overheard.aggregates import HOUR
from overheard.store import brands, hours, movements
from overheard.store.keys import Role
from overheard.store.movements import Period

SPAN = timedelta(days=7)

blueprint = APIBlueprint(
    "changes",
    __name__,
    url_prefix="/brands",
    abp_tags=[{"name": "brands"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 422, 503), Problem),
)


class ChangesQuery(BaseModel):
    """Whole hours. Left out: the last seven days, and as long before."""

    since: Time | None = Field(None, description="7 days before `until` by default")
    until: Time | None = Field(None, description="The end of this hour by default")
    before_since: Time | None = Field(None, description="As long before `before_until` by default")
    before_until: Time | None = Field(None, description="`since` by default")
    label: Literal["negative", "neutral", "positive"] = Field("negative", alias="class")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if any(hours.start(period.since) >= hours.start(period.until) for period in self.periods()):
            raise ValueError("a period must begin an hour before it ends, at least")
        return self

    def periods(self) -> tuple[Period, Period]:
        """The earlier one and the later one."""
        until = self.until or hours.start(datetime.now(UTC)) + HOUR
        since = self.since or until - SPAN
        before_until = self.before_until or since
        before_since = self.before_since or before_until - (until - since)
        times = (before_since, before_until, since, until)
        first, second, third, fourth = (at.astimezone(UTC) for at in times)
        return Period(first, second), Period(third, fourth)


class SharesThen(BaseModel):
    posts: int = Field(description="Scored ones")
    value: float | None = Field(description="Mean probability of the class; null without a scored post")


class PeriodView(SharesThen):
    since: datetime
    until: datetime


class PartView(BaseModel):
    value: float = Field(description="Share of 1")
    low: float = Field(description="Of a 95 % interval")
    high: float


class SourceView(BaseModel):
    source: str
    before: SharesThen
    after: SharesThen
    mix: float
    mood: float


class SplitView(BaseModel):
    change: PartView = Field(description="mix + mood + model")
    mix: PartView = Field(description="More or fewer posts from sources where the class is frequent")
    mood: PartView = Field(description="Within sources people speak otherwise")
    model: PartView | None = Field(
        description="Another version reads the same posts otherwise; null: the mood holds it, undistinguished"
    )
    sources: list[SourceView] = Field(description="The one that did most first")


class GrownView(BaseModel):
    text: str
    before: float = Field(description="Share of the posts of the class that it was in")
    after: float
    z: float = Field(description="How sure its growth is")


class ChangesView(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    brand_id: int
    label: str = Field(alias="class")
    before: PeriodView
    after: PeriodView
    split: SplitView | None = Field(description="null when a period has no scored post")
    versions: list[str] = Field(description="That read these posts; the one that read most of the later ones first")
    compared: int = Field(description="Posts that two of them read")
    words: list[GrownView] = Field(description="That grew in the posts of the class, the surest first")
    topics: list[GrownView] = Field(description="Pairs of words and hashtags")
    read: tuple[int, int] = Field(description="Posts of the class in which words were looked for, before and after")
    examples: list[int] = Field(description="Ids of posts; GET /posts/{post_id} shows one")


@blueprint.get("/<brand_id>/changes", summary="Why the share of a class moved", responses={200: ChangesView})
@requires(Role.viewer)
def changes(path: BrandPath, query: ChangesQuery) -> Response:
    before, after = query.periods()
    with services().database.read() as session:
        brands.get(session, path.brand_id)
        shown = movements.why(session, path.brand_id, before, after, query.label).as_dict()
    shown["brand_id"] = path.brand_id
    for name, period in (("before", before), ("after", after)):
        shown[name] |= _hours(period)
    return jsonify(ChangesView.model_validate(shown).model_dump(mode="json", by_alias=True))


def _hours(period: Period) -> dict[str, Any]:
    return {"since": hours.start(period.since), "until": hours.start(period.until)}
