"""How a brand is spoken of over time: `/brands/{id}/sentiment`."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from flask import Response
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field, field_validator
from sqlalchemy.orm import Session
from werkzeug.exceptions import UnprocessableEntity

from api.auth import requires
from api.routes.brands import BrandPath
from api.schemas import SECURED, Problem, Time
from api.services import services
from overheard import estimates, zones
from overheard.estimates import Method, Share
from overheard.scoring.bundle import LABELS
from overheard.store import brands, series, shares
from overheard.store.keys import Role
from overheard.store.series import Step
from overheard.store.shares import Estimated

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
    since: Time | None = Field(None, description="30 days before `until` by default")
    until: Time | None = Field(None, description="Now by default")
    step: Step = Step.day
    tz: str = Field("UTC", description="IANA time zone in which days begin, like Europe/Berlin")
    source: str | None = Field(None, max_length=32, description="Of one source only")
    language: str | None = Field(None, max_length=8, description="In one language only, by its code, like en")
    compare: Literal["previous"] | None = Field(None, description="Tell the change against the period before")

    @field_validator("tz")
    @classmethod
    def _exists(cls, name: str) -> str:
        if name not in zones.names():
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


class ShareView(BaseModel):
    """With its 95 % interval; null where none would be valid."""

    point: float | None
    low: float | None
    high: float | None


class Shares(BaseModel):
    negative: ShareView
    neutral: ShareView
    positive: ShareView


class PointView(BaseModel):
    since: datetime
    until: datetime
    posts: int
    scored: int = Field(description="Posts with a score; the others wait for theirs")
    reach: int = Field(description="How often these posts were reposted")
    called: Counts = Field(description="Posts by the most probable class")
    means: Means | None = Field(description="Of the probabilities; null without a scored post")
    shares: Shares = Field(description="What the shares are believed to be; they sum to 1")
    net: ShareView = Field(description="Positive less negative")
    n: int = Field(description="Posts that the shares are of")
    method: Method = Field(
        description="audited: people read a sample of these posts; nearby: of the brand's posts of the weeks around; "
        "corrected: nobody did, see how sure that is; too_few: too few posts"
    )
    audits: int = Field(description="People's labels that the shares rest on")
    versions: dict[str, int] = Field(description="How many posts which model version has read last")
    is_complete: bool = Field(description="false: a feed did not hear everything then, so silence need not be calm")


class KnownGap(BaseModel):
    source: str
    since: datetime
    until: datetime
    reason: str


class ChangeView(BaseModel):
    before: PointView = Field(description="The period before, of the same length")
    shares: Shares = Field(description="How much the shares have changed since, as differences of shares of 1")


class Series(BaseModel):
    brand_id: int
    step: Step
    tz: str
    points: list[PointView]
    total: PointView = Field(description="The whole period, from the first point to the last")
    change: ChangeView | None = Field(description="Against the period before; null unless it was asked for")
    gaps: list[KnownGap] = Field(description="Stretches of time of which a feed does not know everything")


@blueprint.get("/<brand_id>/sentiment", summary="Posts and sentiment over time", responses={200: Series})
@requires(Role.viewer)
def sentiment(path: BrandPath, query: SentimentQuery) -> Response:
    until = query.until or datetime.now(UTC)
    since = query.since or until - DEFAULT_SPAN
    if since >= until:
        raise UnprocessableEntity("since: must be before until")
    try:
        times = series.edges(since.astimezone(UTC), until.astimezone(UTC), query.step, ZoneInfo(query.tz))
        before = [times[0] - (times[-1] - times[0]), times[0]] if query.compare else []
    except (ValueError, OverflowError) as error:
        raise UnprocessableEntity(f"since: {error}") from None
    with services().database.read() as session:
        brands.get(session, path.brand_id)
        points, total = shares.read(session, path.brand_id, times, query.source, query.language)
        change = _change(session, path.brand_id, before, query, total) if before else None
        gaps = series.gaps(session, path.brand_id, times[0], times[-1], query.source)
    told = {"brand_id": path.brand_id, "step": query.step, "tz": query.tz, "change": change}
    told |= {"points": [_point(one) for one in points], "total": _point(total), "gaps": [asdict(gap) for gap in gaps]}
    return Response(Series.model_validate(told).model_dump_json(), content_type="application/json")


def _change(
    session: Session, brand_id: int, times: Sequence[datetime], query: SentimentQuery, now: Estimated
) -> dict[str, Any]:
    _, before = shares.read(session, brand_id, times, query.source, query.language)
    return {"before": _point(before), "shares": _shares(estimates.change(before.estimate, now.estimate))}


def _point(one: Estimated) -> dict[str, Any]:
    counted = ("since", "until", "posts", "scored", "reach", "called", "means", "versions", "is_complete")
    told = {name: getattr(one.point, name) for name in counted}
    estimated = {"n": one.estimate.posts, "method": one.estimate.method, "audits": one.estimate.audits}
    return {**told, **estimated, "shares": _shares(one.estimate.shares), "net": _share(one.estimate.net)}


def _shares(shares: Sequence[Share]) -> dict[str, Any]:
    return dict(zip(LABELS, map(_share, shares), strict=True))


def _share(share: Share) -> dict[str, float | None]:
    return {name: None if told is None else round(told, 4) for name, told in share.as_dict().items()}
