"""How a brand's week was: `/brands/{id}/digest`, as recipients are told it on Mondays."""

import base64
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from flask import Response, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.exceptions import UnprocessableEntity

from api.auth import requires
from api.routes.brands import BrandPath
from api.schemas import SECURED, Problem
from api.services import Services, services
from overheard.alerts import digest, outside
from overheard.alerts.compose import House
from overheard.alerts.message import Message
from overheard.errors import OverheardError
from overheard.store import digests
from overheard.store.digests import WEEK
from overheard.store.keys import Role

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
"""A mail has its styles in it."""

blueprint = APIBlueprint(
    "digest",
    __name__,
    url_prefix="/brands",
    abp_tags=[{"name": "brands"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 422, 503), Problem),
)


class DigestQuery(BaseModel):
    week: date | None = Field(None, description="A day of it (UTC); the last whole week by default")
    format: Literal["json", "html"] = Field("json", description="html: as it is mailed")


class DigestView(BaseModel):
    """The figures; `text` is what is mailed as plain text."""

    model_config = ConfigDict(extra="allow")

    brand_id: int
    brand: str
    since: datetime
    until: datetime
    posts: int
    posts_before: int
    is_complete: bool = Field(description="false: a feed did not hear everything")
    now: dict[str, Any] = Field(description="The week's shares with intervals, and by which method")
    before: dict[str, Any] = Field(description="The same of the week before")
    changes: dict[str, Any] = Field(description="Of each share, with its interval")
    movement: dict[str, Any] | None = Field(description="Why the negative share moved; null: a week has no scored post")
    model: dict[str, Any] = Field(description="Which serves, and how right it is believed to be")
    gaps: list[dict[str, Any]]
    incidents: list[dict[str, Any]]
    audits: int = Field(description="Posts that wait for people to check them")
    text: str


WEEK_TOLD = {
    "description": "The week",
    "content": {
        "application/json": {"schema": DigestView.model_json_schema(mode="serialization")},
        "text/html": {"schema": {"type": "string"}},
    },
}


@blueprint.get("/<brand_id>/digest", summary="How a week was", responses={200: WEEK_TOLD})
@requires(Role.viewer)
def show(path: BrandPath, query: DigestQuery) -> Response:
    house, now = services(), datetime.now(UTC)
    try:
        day = datetime(*query.week.timetuple()[:3], tzinfo=UTC) if query.week else now - WEEK
        since = digests.monday(day)
        since - timedelta(weeks=5)  # what is drawn
    except OverflowError:
        raise UnprocessableEntity("week: there is no such week") from None
    with house.database.read() as session:
        figures = digest.read(session, path.brand_id, since, house.settings.first_model)
        made_with = House(house.privacy.secret, house.settings.public_url)
        message = digest.message(session, made_with, figures, "preview", "preview")
    if query.format == "html":
        return Response(_with_chart(house, message), mimetype="text/html", headers={"Content-Security-Policy": POLICY})
    return jsonify({**{name: value for name, value in figures.items() if name != "chart"}, "text": message.text})


def _with_chart(house: Services, message: Message) -> str:
    """The chart in its place; where it can't be drawn, its words stand there."""
    if message.chart is None:
        return message.html
    try:
        png = outside.draw(house.settings, message.chart)
    except OverheardError:
        return message.html
    return message.html.replace("cid:chart", f"data:image/png;base64,{base64.b64encode(png).decode()}")
