"""Posts that people are asked to check: `/audits`, and how far that is: `/brands/{id}/audits`."""

from datetime import UTC, datetime
from typing import Literal, Self

from flask import Response, g, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field
from werkzeug.exceptions import UnprocessableEntity

from api.auth import requires
from api.routes.brands import BrandPath
from api.schemas import SECURED, CountedPageQuery, OptionalBody, Problem, RowId, Time, encode_cursor
from api.services import services
from overheard.scoring.bundle import LABELS
from overheard.store import audits, brands, draws
from overheard.store.audits import Question
from overheard.store.draws import Listed
from overheard.store.hours import start
from overheard.store.keys import Role
from overheard.store.tables.audits import Draw

MOST = 1000

blueprint = APIBlueprint(
    "audits",
    __name__,
    abp_tags=[{"name": "audits", "description": "Posts that people are asked to check"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 409, 415, 422, 503), Problem),
)


class AuditsQuery(BaseModel):
    brand_id: RowId | None = None
    limit: int = Field(10, ge=1, le=200)


class AuditPath(BaseModel):
    audit_id: int = Field(ge=1, le=2**63 - 1)


class AuditView(BaseModel):
    """Without what the model says: it would lead whoever judges."""

    id: int
    draw_id: int
    brand_id: int
    brand: str
    source: str
    language: str
    url: str
    text: str
    posted_at: datetime

    @classmethod
    def of(cls, asked: Question) -> Self:
        told = {name: getattr(asked.audit, name) for name in ("id", "draw_id", "brand_id")}
        told |= {name: getattr(asked.post, name) for name in ("source", "language", "text", "posted_at")}
        return cls(**told, brand=asked.brand, url=asked.post.details.get("url", ""))


class Asked(BaseModel):
    audits: list[AuditView]
    left: int = Field(description="How many texts wait for an answer, these included")


class AnswerBody(BaseModel):
    label: Literal["negative", "neutral", "positive", 0, 1, 2] | None = Field(
        description="0 negative, 1 neutral, 2 positive; null: can't tell"
    )

    @property
    def number(self) -> int | None:
        return LABELS.index(self.label) if isinstance(self.label, str) else self.label


class StratumView(BaseModel):
    name: str
    posts: int
    drawn: int


class DrawView(BaseModel):
    id: int
    brand_id: int
    since: datetime
    until: datetime
    strata: list[StratumView]
    drawn_at: datetime

    @classmethod
    def of(cls, made: Draw, **more: int) -> Self:
        shown = ("id", "brand_id", "since", "until", "strata", "drawn_at")
        return cls.model_validate({**{name: getattr(made, name) for name in shown}, **more})


class DrawProgress(DrawView):
    drawn: int = Field(description="Posts that were drawn and have not been erased since")
    answered: int = Field(description="Those that somebody has labelled")
    unclear: int = Field(description="Those of which somebody could not tell")

    @classmethod
    def with_progress(cls, listed: Listed) -> Self:
        return cls.of(listed.draw, drawn=listed.drawn, answered=listed.answered, unclear=listed.unclear)


class DrawPage(BaseModel):
    draws: list[DrawProgress]
    next_cursor: str | None = Field(description="null on the last page")


class DrawBody(OptionalBody):
    since: Time | None = Field(None, description="The end of the last draw by default, at most 28 days before")
    until: Time | None = Field(None, description="Now by default; both count as the start of their hour")
    count: int | None = Field(None, ge=1, le=MOST, description="OVERHEARD_AUDITS_PER_WEEK by default")


@blueprint.get("/audits", summary="The next posts to check, each text once", responses={200: Asked})
@requires(Role.labeller)
def ask(query: AuditsQuery) -> Response:
    with services().database.read() as session:
        found = audits.ask(session, query.brand_id, query.limit)
    asked = Asked(audits=[AuditView.of(one) for one in found.next], left=found.left)
    return jsonify(asked.model_dump(mode="json"))


@blueprint.post(
    "/audits/<audit_id>",
    summary="Say what a post means",
    description="The text never trains from then on. Saying it again changes nothing; a newer word replaces the older.",
    responses={204: None},
)
@requires(Role.labeller)
def answer(path: AuditPath, body: AnswerBody) -> tuple[str, int]:
    with services().database.write() as session:
        audits.answer(session, path.audit_id, body.number, g.owner, datetime.now(UTC))
    return "", 204


@blueprint.delete("/audits/<audit_id>/label", summary="Take an answer back: it is asked again", responses={204: None})
@requires(Role.labeller)
def take_back(path: AuditPath) -> tuple[str, int]:
    with services().database.write() as session:
        audits.take_back(session, path.audit_id, g.owner)
    return "", 204


@blueprint.get("/brands/<brand_id>/audits", summary="Draws, newest first", responses={200: DrawPage})
@requires(Role.viewer)
def list_draws(path: BrandPath, query: CountedPageQuery) -> Response:
    with services().database.read() as session:
        brands.get(session, path.brand_id)
        found = draws.page(session, path.brand_id, query.after_number, query.limit + 1)
    shown = found[: query.limit]
    last = shown[-1].draw if len(found) > query.limit else None
    more = encode_cursor(last.drawn_at, str(last.id)) if last else None
    page = DrawPage(draws=[DrawProgress.with_progress(one) for one in shown], next_cursor=more)
    return jsonify(page.model_dump(mode="json"))


@blueprint.post(
    "/brands/<brand_id>/audits",
    summary="Draw posts for people to check, now",
    description="Of hours that were not drawn from yet, else 409. Drawing just the same hours again changes nothing.",
    responses={200: DrawView, 201: DrawView},
)
@requires(Role.operator)
def draw(path: BrandPath, body: DrawBody) -> tuple[Response, int]:
    house, now = services(), datetime.now(UTC)
    with house.database.read() as session:
        brands.get(session, path.brand_id)
        since, until = draws.next_window(session, path.brand_id, now)
    since, until = (start(at.astimezone(UTC)) for at in (body.since or since, min(body.until or until, now)))
    if since >= until:
        raise UnprocessableEntity(f"since: {since:%Y-%m-%d %H:00} is not before {until:%Y-%m-%d %H:00} (UTC)")
    if not (count := body.count or house.settings.audits_per_week):
        raise UnprocessableEntity("count: say how many; OVERHEARD_AUDITS_PER_WEEK is 0")
    made, is_new = draws.draw(house.database, path.brand_id, since, until, count, now)
    return jsonify(DrawView.of(made).model_dump(mode="json")), 201 if is_new else 200
