"""What is watched: `/rules`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from flask import Response, jsonify
from flask_openapi import APIBlueprint
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel
from sqlalchemy.orm import Session
from werkzeug.exceptions import UnprocessableEntity

from api.auth import requires
from api.schemas import SECURED, OptionalBody, Problem, RowId, Time
from api.services import services
from overheard import rehearsing, standing
from overheard.alerts import rehearsal
from overheard.alerts.rehearsal import Rehearsal
from overheard.alerts.rules import KINDS, BrandKind
from overheard.standing import How, Standing
from overheard.store import rules
from overheard.store.keys import Role
from overheard.store.rules import Told
from overheard.store.tables.alerting import Rule

DEFAULT_SPAN = timedelta(days=90)
LONGEST = timedelta(days=366)
MOST_S = 30 * 86_400

blueprint = APIBlueprint(
    "rules",
    __name__,
    url_prefix="/rules",
    abp_tags=[{"name": "rules", "description": "What is watched, and when that is worth telling"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 409, 415, 422, 503), Problem),
)
Name = Annotated[str, Field(min_length=1, max_length=100)]


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"there are {', '.join(KINDS)}")
    return kind


Kind = Annotated[str, AfterValidator(_known), Field(description=f"One of {', '.join(KINDS)}")]
OPTIONS = "What its kind can be told, see `/rules/kinds`: sensitivity, calm_s, for brands also min_posts"
QUIET = (
    'Nobody is told from then till then, unless it lasts: {"from": "22:00", "until": "07:00", "tz": "Europe/Berlin"}'
)


class RuleBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name
    kind: Kind
    brand_id: RowId | None = Field(None, description="null: every brand, or the installation")
    options: dict[str, Any] = Field({}, description=OPTIONS)
    quiet: dict[str, Any] | None = Field(None, description=QUIET)
    cooldown_s: int | None = Field(
        None, ge=0, le=MOST_S, description="After an alert was resolved; null: its kind's own"
    )
    is_enabled: bool = True


class RuleChange(OptionalBody):
    """What is left out stays."""

    name: Name = ""
    options: dict[str, Any] = Field({}, description=OPTIONS)
    quiet: dict[str, Any] | None = Field(None, description=QUIET)
    cooldown_s: int = Field(0, ge=0, le=MOST_S)
    is_enabled: bool = Field(True, description="false: its open alerts end, and nobody is told")
    snoozed_until: Time | None = Field(None, description="Until then it opens no alert; null: at once again")


class RuleView(BaseModel):
    id: int
    name: str
    kind: str
    brand_id: int | None
    options: dict[str, Any]
    quiet: dict[str, Any] | None
    cooldown_s: int
    is_enabled: bool
    snoozed_until: datetime | None
    created_at: datetime
    changed_at: datetime
    how: How = Field(
        description="At its last look. found: an alert is open; unknown: nothing could be said, which is not calm; "
        "idle: there is no brand to look at"
    )
    open_alerts: int
    looked_at: datetime | None = Field(description="When it was last looked at; null: not yet")
    unknown_brands: list[int] = Field(description="Of which it could say nothing then")

    @classmethod
    def of(cls, rule: Rule, standing: Standing) -> Self:
        told = {name: getattr(rule, name) for name in RuleView.model_fields if hasattr(rule, name)}
        stands = {name: getattr(standing, name) for name in ("how", "open_alerts", "looked_at")}
        return cls.model_validate({**told, **stands, "unknown_brands": standing.unknown})


class RuleList(RootModel[list[RuleView]]):
    """In the order in which they were made."""


class KindView(BaseModel):
    kind: str
    does: str
    is_of_brands: bool
    options: dict[str, Any] = Field(description="JSON Schema of its options")
    cooldown_s: int
    can_be_rehearsed: bool


class KindList(RootModel[list[KindView]]):
    """All kinds of rules."""


class RulePath(BaseModel):
    rule_id: RowId


class RehearsalBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Kind
    brand_id: RowId
    options: dict[str, Any] = Field({}, description=OPTIONS)
    cooldown_s: int | None = Field(None, ge=0, le=MOST_S, description="null: its kind's own")
    since: Time | None = Field(None, description="90 days before `until` by default, at most a year")
    until: Time | None = Field(None, description="Now by default")


class FiredView(BaseModel):
    since: datetime
    until: datetime | None = Field(description="When it would have been resolved; null: it is open at the end")
    title: str
    said: str


class RehearsalView(BaseModel):
    since: datetime
    until: datetime
    fired: list[FiredView]
    per_month: float = Field(description="Alerts in 30 days")
    hours: int = Field(description="That were played")
    open_hours: int = Field(description="In which an alert was open")
    unknown_hours: int = Field(description="In which nothing could be said: a gap, or too little to compare with")

    @classmethod
    def of(cls, played: Rehearsal, since: datetime, until: datetime) -> Self:
        fired = [FiredView.model_validate(one, from_attributes=True) for one in played.fired]
        counted = {name: getattr(played, name) for name in ("per_month", "hours", "open_hours", "unknown_hours")}
        return cls(since=since, until=until, fired=fired, **counted)


@blueprint.get("", summary="All rules", responses={200: RuleList})
@requires(Role.viewer)
def list_rules() -> Response:
    with services().database.read() as session:
        found = views(session)
    return jsonify([rule.model_dump(mode="json") for rule in found])


def views(session: Session) -> list[RuleView]:
    """In the order in which they were made."""
    stand = standing.of_rules(session, services().settings, datetime.now(UTC))
    return [RuleView.of(rule, stand[rule.id]) for rule in rules.everyone(session)]


def _shown(session: Session, rule: Rule) -> Response:
    stand = standing.of_rules(session, services().settings, datetime.now(UTC))
    return jsonify(RuleView.of(rule, stand[rule.id]).model_dump(mode="json"))


@blueprint.get("/kinds", summary="What rules there can be", responses={200: KindList})
@requires(Role.viewer)
def list_kinds() -> Response:
    return jsonify([kind_view(name).model_dump(mode="json") for name in KINDS])


@blueprint.post("", summary="Watch something", responses={201: RuleView})
@requires(Role.operator)
def add(body: RuleBody) -> tuple[Response, int]:
    with services().database.write() as session:
        return _shown(session, rules.add(session, Told(**body.model_dump()), datetime.now(UTC))), 201


@blueprint.get("/<int:rule_id>", summary="One rule", responses={200: RuleView})
@requires(Role.viewer)
def show(path: RulePath) -> Response:
    with services().database.read() as session:
        return _shown(session, rules.get(session, path.rule_id))


@blueprint.patch("/<int:rule_id>", summary="Change, enable, disable or snooze it", responses={200: RuleView})
@requires(Role.operator)
def change(path: RulePath, body: RuleChange) -> Response:
    values = body.model_dump(exclude_unset=True)
    with services().database.write() as session:
        return _shown(session, rules.change(session, path.rule_id, values, datetime.now(UTC)))


@blueprint.delete("/<int:rule_id>", summary="Watch it no longer; its alerts go with it", responses={204: None})
@requires(Role.operator)
def remove(path: RulePath) -> tuple[str, int]:
    with services().database.write() as session:
        rules.remove(session, path.rule_id)
    return "", 204


@blueprint.post(
    "/rehearsals",
    summary="When would a rule have fired?",
    description="Plays it over the hours that are stored, and changes nothing. 422 for a kind without a history.",
    responses={200: RehearsalView},
)
@requires(Role.viewer)
def rehearse(body: RehearsalBody) -> Response:
    until = body.until or datetime.now(UTC)
    since = body.since or until - DEFAULT_SPAN
    if not timedelta() < until - since <= LONGEST:
        raise UnprocessableEntity(f"since: must be before until, by at most {LONGEST.days} days")
    with services().database.read() as session:
        played = rehearsing.rehearse(session, body.kind, body.brand_id, body.options, since, until, body.cooldown_s)
    return jsonify(RehearsalView.of(played, since, until).model_dump(mode="json"))


def kind_view(name: str) -> KindView:
    kind = KINDS[name]
    return KindView(
        kind=name,
        does=kind.does,
        is_of_brands=isinstance(kind, BrandKind),
        options=kind.options.model_json_schema(),
        cooldown_s=kind.cooldown_s,
        can_be_rehearsed=rehearsal.is_possible(name),
    )
