"""What was found, and what people said of it: `/alerts`."""

from datetime import UTC, datetime, timedelta
from typing import Self

from flask import Response, g, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field, model_validator

from api.auth import requires
from api.schemas import SECURED, CountedPageQuery, OptionalBody, Problem, RowId, Time, encode_cursor
from api.services import services
from overheard.alerts.finding import Finding
from overheard.store import incidents
from overheard.store.incidents import State
from overheard.store.keys import Role
from overheard.store.tables.alerting import Incident, Rule

blueprint = APIBlueprint(
    "alerts",
    __name__,
    url_prefix="/alerts",
    abp_tags=[{"name": "alerts", "description": "What rules found: one alert from its first sight to its end"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 409, 415, 422, 503), Problem),
)


class AlertsQuery(CountedPageQuery):
    state: State | None = Field(None, description="`open` or `resolved`; both by default")
    brand_id: RowId | None = None


class AlertPath(BaseModel):
    alert_id: int = Field(ge=1, le=2**63 - 1)


class SnoozeBody(OptionalBody):
    """Until a time, or for some hours."""

    until: Time | None = None
    hours: float | None = Field(None, gt=0, le=24 * 90)

    @model_validator(mode="after")
    def _says_one(self) -> Self:
        if (self.until is None) == (self.hours is None):
            raise ValueError("say `until` or `hours`")
        return self


class AlertView(BaseModel):
    id: int
    rule_id: int
    rule: str = Field(description="Its name")
    kind: str
    brand_id: int | None
    title: str
    said: str = Field(description="How much, how sure, compared with what")
    since: datetime = Field(description="When it began, as far as is known")
    advice: str
    words: list[str] = Field(description="What grew in the posts that it is about")
    post_ids: list[int] = Field(description="Examples, for GET /posts/{id}; an erased one is a 404")
    links: dict[str, str]
    opened_at: datetime
    seen_at: datetime = Field(description="When it was last found so, or could not be judged: unknown is not calm")
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    snoozed_until: datetime | None
    resolved_at: datetime | None = Field(description="null: it is open")

    @classmethod
    def of(cls, incident: Incident, rule: Rule) -> Self:
        found = Finding.of(incident.finding)
        told = {name: getattr(found, name) for name in ("title", "said", "since", "advice", "words", "post_ids")}
        times = ("opened_at", "seen_at", "acknowledged_at", "snoozed_until", "resolved_at")
        shown = {name: getattr(incident, name) for name in ("id", "rule_id", "brand_id", *times)}
        about = {"rule": rule.name, "kind": rule.kind, "links": dict(found.links or {})}
        return cls.model_validate({**shown, **told, **about, "acknowledged_by": incident.acknowledged_by or None})


class AlertPage(BaseModel):
    alerts: list[AlertView]
    next_cursor: str | None = Field(description="null on the last page")


@blueprint.get("", summary="Newest first", responses={200: AlertPage})
@requires(Role.viewer)
def list_alerts(query: AlertsQuery) -> Response:
    with services().database.read() as session:
        found = incidents.page(session, query.state, query.brand_id, query.after_number, query.limit + 1)
    shown = found[: query.limit]
    last = shown[-1][0] if len(found) > query.limit else None
    page = AlertPage(
        alerts=[AlertView.of(incident, rule) for incident, rule in shown],
        next_cursor=encode_cursor(last.opened_at, str(last.id)) if last else None,
    )
    return jsonify(page.model_dump(mode="json"))


@blueprint.get("/<int:alert_id>", summary="One of them", responses={200: AlertView})
@requires(Role.viewer)
def show(path: AlertPath) -> Response:
    return _shown(path.alert_id)


@blueprint.post("/<int:alert_id>/acknowledge", summary="Say that somebody has seen it", responses={200: AlertView})
@requires(Role.operator)
def acknowledge(path: AlertPath) -> Response:
    with services().database.write() as session:
        incidents.acknowledge(session, path.alert_id, g.owner, datetime.now(UTC))
    return _shown(path.alert_id)


@blueprint.post(
    "/<int:alert_id>/snooze",
    summary="Have nobody told for a while what was not told yet",
    responses={200: AlertView},
)
@requires(Role.operator)
def snooze(path: AlertPath, body: SnoozeBody) -> Response:
    until = body.until or datetime.now(UTC) + timedelta(hours=body.hours or 0)
    with services().database.write() as session:
        incidents.snooze(session, path.alert_id, until)
    return _shown(path.alert_id)


def _shown(alert_id: int) -> Response:
    with services().database.read() as session:
        incident, rule = incidents.get(session, alert_id)
    return jsonify(AlertView.of(incident, rule).model_dump(mode="json"))
