"""What people say that texts mean: `/labels`."""

from datetime import UTC, datetime
from typing import Literal

from flask import Response, g, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field, field_validator

from api.auth import requires
from api.routes.inference import Message
from api.schemas import SECURED, PageQuery, Problem, encode_cursor
from api.services import services
from overheard.limits import MAX_MESSAGES
from overheard.scoring.bundle import LABELS
from overheard.scoring.text import clean, key
from overheard.store import labels
from overheard.store.keys import Role
from overheard.store.labels import NewLabel, Purpose
from overheard.store.tables.learning import Label

Name = Literal["negative", "neutral", "positive"]

blueprint = APIBlueprint(
    "labels",
    __name__,
    url_prefix="/labels",
    abp_tags=[{"name": "labels", "description": "What people say that texts mean"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 413, 415, 422, 503), Problem),
)


class LabelBody(BaseModel):
    text: Message
    label: Name
    purpose: Purpose = Field(Purpose.train, description="A text that is labelled for `audit` never trains")
    source: str = Field("", max_length=64, description="Where the text is from, like `x` or `mastodon`")
    brand: str = Field("", max_length=100, description="Whom it is about")

    @field_validator("text")
    @classmethod
    def _says_something(cls, text: str) -> str:
        if not clean(text):
            raise ValueError("the text is blank")
        return text


class LabelsBody(BaseModel):
    labels: list[LabelBody] = Field(min_length=1, max_length=MAX_MESSAGES)


class SavedView(BaseModel):
    added: int
    changed: int = Field(description="Texts on which this key had said something else before")
    unchanged: int
    ids: list[str] = Field(description="Of this key's labels of these texts, in their order")


class LabelsQuery(PageQuery):
    purpose: Purpose | None = None


class LabelView(BaseModel):
    id: str
    text: str
    label: Name
    purpose: Purpose
    source: str
    brand: str
    labelled_by: str = Field(description="The id of the key")
    labelled_at: datetime

    @classmethod
    def of(cls, label: Label) -> "LabelView":
        shown = {name: getattr(label, name) for name in cls.model_fields}
        return cls.model_validate({**shown, "label": LABELS[label.label]})


class LabelPage(BaseModel):
    labels: list[LabelView]
    counts: dict[Purpose, dict[Name, int]] = Field(description="Of all labels, by purpose and by class")
    next_cursor: str | None = Field(description="null on the last page")


class LabelPath(BaseModel):
    label_id: str


@blueprint.post("", summary="Say what texts mean", responses={200: SavedView})
@requires(Role.labeller)
def add(body: LabelsBody) -> Response:
    given = [NewLabel(row.text, LABELS.index(row.label), row.purpose, row.source, row.brand) for row in body.labels]
    with services().database.write() as session:
        saved = labels.save(session, given, g.owner, datetime.now(UTC))
        ids = {purpose: labels.ids(session, [row.text for row in body.labels], g.owner, purpose) for purpose in Purpose}
    said = {"added": saved.added, "changed": saved.changed, "unchanged": saved.unchanged}
    return jsonify({**said, "ids": [ids[row.purpose][key(row.text)] for row in body.labels]})


@blueprint.get("", summary="Newest first", responses={200: LabelPage})
@requires(Role.labeller)
def list_labels(query: LabelsQuery) -> Response:
    with services().database.read() as session:
        found = labels.page(session, query.purpose, query.after, query.limit + 1)
        counts = labels.counts(session)
    shown = found[: query.limit]
    more = encode_cursor(shown[-1].labelled_at, shown[-1].id) if len(found) > query.limit else None
    named = {purpose: {LABELS[label]: n for label, n in by_label.items()} for purpose, by_label in counts.items()}
    page = LabelPage(labels=[LabelView.of(label) for label in shown], counts=named, next_cursor=more)  # type: ignore[arg-type]
    return jsonify(page.model_dump(mode="json"))


@blueprint.delete("/<label_id>", summary="Take a label back", responses={204: None})
@requires(Role.labeller)
def remove(path: LabelPath) -> tuple[str, int]:
    with services().database.write() as session:
        labels.remove(session, path.label_id)
    return "", 204
