"""Who is told of alerts and digests: `/recipients`. Where they are told is secret: it is never shown again."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import uuid4

from flask import Response, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field, StringConstraints

from api.auth import requires
from api.schemas import SECURED, OptionalBody, Problem, RowId
from api.services import services
from overheard.alerts import outside
from overheard.errors import Conflict, DataError, SettingsError
from overheard.recipients import MAX_URL_CHARS, Target, parse, seal_of
from overheard.store import outbox, recipients
from overheard.store.keys import Role
from overheard.store.recipients import Listed
from overheard.store.tables.alerting import Notice

NOTICES = 20
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")
]
State = Literal["waiting", "retrying", "sent", "failed"]

blueprint = APIBlueprint(
    "recipients",
    __name__,
    url_prefix="/recipients",
    abp_tags=[{"name": "recipients", "description": "Who is told of alerts and digests"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 409, 413, 415, 422, 503), Problem),
)


class NewRecipient(BaseModel):
    name: Name = Field(examples=["brand team"])
    url: str = Field(
        max_length=MAX_URL_CHARS,
        description="Where, as apprise writes it; kept sealed, and never shown again",
        examples=["mailtos://user:password@mail.example.com/?to=ann@example.com"],
    )
    brand_id: RowId | None = Field(None, description="Told of this brand only; null: of everything")
    wants_alerts: bool = True
    wants_digest: bool = True


class RecipientChange(OptionalBody):
    name: Name | None = None
    url: str | None = Field(None, max_length=MAX_URL_CHARS, description="What waits is tried at once")
    brand_id: RowId | None = None
    wants_alerts: bool | None = None
    wants_digest: bool | None = None


class RecipientPath(BaseModel):
    recipient_id: RowId


class NoticeView(BaseModel):
    id: int
    kind: Literal["opened", "resolved", "digest", "test"]
    incident_id: int | None
    state: State = Field(description="retrying: it did not get there yet; failed: it was given up")
    attempts: int
    problem: str = Field(description="Why it did not get there; or, though it did, what was wrong")
    due_at: datetime | None = Field(description="When it is tried next; null when it was sent or given up")
    created_at: datetime
    sent_at: datetime | None

    @classmethod
    def of(cls, notice: Notice) -> Self:
        told = {name: getattr(notice, name) for name in cls.model_fields if hasattr(notice, name)}
        state = _state(notice)
        rests = state in ("sent", "failed")
        return cls.model_validate({**told, "state": state, "due_at": None if rests else notice.due_at})


def _state(notice: Notice) -> State:
    if notice.sent_at or notice.failed_at:
        return "sent" if notice.sent_at else "failed"
    return "retrying" if notice.attempts else "waiting"


class RecipientView(BaseModel):
    id: int
    name: str
    shown: str = Field(description="Where, without what is secret of it")
    brand_id: int | None
    wants_alerts: bool
    wants_digest: bool
    waiting: int = Field(description="Notices that are still to be sent")
    failed: int = Field(description="Notices that were given up after a day")
    problem: str = Field(description="Why the newest notice did not get there; empty: it did")
    sent_at: datetime | None = Field(description="When a notice last got there")
    created_at: datetime

    @classmethod
    def of(cls, listed: Listed, **more: Any) -> Self:
        told = {name: getattr(listed.recipient, name, None) for name in RecipientView.model_fields}
        found = {name: getattr(listed, name) for name in ("waiting", "failed", "problem", "sent_at")}
        return cls.model_validate({**told, **found, **more})


class RecipientDetail(RecipientView):
    notices: list[NoticeView] = Field(description=f"The last {NOTICES}, newest first")


class RecipientList(BaseModel):
    recipients: list[RecipientView] = Field(description="By their names")


@blueprint.get("", summary="Who is told, and how that goes", responses={200: RecipientList})
@requires(Role.operator)
def list_recipients() -> Response:
    with services().database.read() as session:
        found = recipients.all_of_them(session)
    page = RecipientList(recipients=[RecipientView.of(listed) for listed in found])
    return jsonify(page.model_dump(mode="json"))


@blueprint.post("", summary="Tell them, too", responses={201: RecipientView})
@requires(Role.operator)
def add(body: NewRecipient) -> tuple[Response, int]:
    """The address is checked, and so is where it leads. That it is read there, only a test tells."""
    house, target = services(), _checked(body.url)
    wanted = body.model_dump(exclude={"name", "url"})
    with house.database.write() as session:
        seal = seal_of(house.settings)
        made = recipients.add(session, seal, body.name, target, datetime.now(UTC), **wanted)
        listed = recipients.shown(session, made.id)
    return jsonify(RecipientView.of(listed).model_dump(mode="json")), 201


@blueprint.get("/<int:recipient_id>", summary="One of them, with the last notices", responses={200: RecipientDetail})
@requires(Role.operator)
def show(path: RecipientPath) -> Response:
    with services().database.read() as session:
        listed = recipients.shown(session, path.recipient_id)
        notices = outbox.newest(session, path.recipient_id, NOTICES)
    detail = RecipientDetail.of(listed, notices=[NoticeView.of(notice) for notice in notices])
    return jsonify(detail.model_dump(mode="json"))


@blueprint.patch(
    "/<int:recipient_id>", summary="Change who they are, where, or of what", responses={200: RecipientView}
)
@requires(Role.operator)
def change(path: RecipientPath, body: RecipientChange) -> Response:
    house = services()
    values = {name: value for name, value in body.model_dump(exclude_unset=True).items() if name != "url"}
    if missing := [name for name, value in values.items() if value is None and name != "brand_id"]:
        raise DataError(f"{missing[0]} can't be null: leave it out")
    if body.url is not None:
        target = _checked(body.url)
        values |= {"url": seal_of(house.settings).close(target.url), "shown": target.shown}
    with house.database.write() as session:
        recipients.change(session, path.recipient_id, datetime.now(UTC), values)
        listed = recipients.shown(session, path.recipient_id)
    return jsonify(RecipientView.of(listed).model_dump(mode="json"))


@blueprint.delete("/<int:recipient_id>", summary="Tell them no more", responses={204: None})
@requires(Role.operator)
def remove(path: RecipientPath) -> tuple[str, int]:
    with services().database.write() as session:
        recipients.remove(session, path.recipient_id)
    return "", 204


@blueprint.post("/<int:recipient_id>/test", summary="Send a test notice", responses={202: NoticeView})
@requires(Role.operator)
def test(path: RecipientPath) -> tuple[Response, int]:
    """It is tried once; `GET /recipients/{recipient_id}` tells what came of it."""
    house = services()
    with house.database.write() as session:
        recipients.get(session, path.recipient_id)
        notice = outbox.add_test(session, path.recipient_id, str(uuid4()), datetime.now(UTC))
    house.desk.deliver()
    return jsonify(NoticeView.of(notice).model_dump(mode="json")), 202


def _checked(url: str) -> Target:
    """Raises DataError; Conflict where this machine lacks what is needed."""
    settings = services().settings
    parse(url, settings.notify_schemes)
    try:
        return parse(outside.check(settings, url.strip()), settings.notify_schemes)
    except SettingsError as error:
        raise Conflict(str(error)) from error
