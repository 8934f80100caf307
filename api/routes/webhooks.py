"""Posts that come by themselves: `/webhooks`. Whoever knows a feed's secret may push; see `overheard.webhooks`."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from secrets import token_hex
from typing import Annotated, Any, Final

from flask import Response, jsonify, request
from flask_openapi import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy.orm import Session
from werkzeug.exceptions import UnsupportedMediaType

from api.errors import invalid, unusable
from api.memory import Memory
from api.schemas import Problem, Time
from api.services import services
from overheard.brands import ISO_639_1, key
from overheard.collectors.base import Post
from overheard.errors import Conflict, NotFound
from overheard.limits import MAX_MESSAGE_CHARS
from overheard.scoring.text import clean
from overheard.store import brands, feeds, posts
from overheard.store.feeds import State
from overheard.store.posts import Kept
from overheard.store.tables.heard import Feed
from overheard.webhooks import HEADER, secret_of, verify
from worker import names

MOST_POSTS: Final = 1000
MOST_DELETED: Final = 10_000

PostId = Annotated[str, Field(max_length=400, pattern=r"^[^\x00-\x1f]+$")]

blueprint = APIBlueprint(
    "webhooks",
    __name__,
    url_prefix="/webhooks",
    abp_tags=[{"name": "webhooks", "description": "Posts that come by themselves"}],
    abp_responses=dict.fromkeys((401, 409, 413, 415, 422, 503), Problem),
)


class PushedPost(BaseModel):
    model_config = ConfigDict(extra="forbid")

    external_id: PostId = Field(description="The sender's id of it: a post that comes again is known by that")
    text: str = Field(max_length=MAX_MESSAGE_CHARS, description="Without markup")
    posted_at: Time = Field(description="With its zone")
    author: str = Field("", max_length=255, description="The sender's id of who wrote it; kept as a keyed hash")
    url: str = Field("", max_length=2000, pattern="^(https?://.*)?$")
    language: str = Field("", max_length=35, description="ISO 639-1; any other is kept as unknown")
    reach: int = Field(0, ge=0, description="How often it was reposted")
    replies_to: PostId | None = None
    quotes: PostId | None = None
    edited_at: Time | None = Field(None, description="When its text was last changed")
    brands: tuple[str, ...] = Field((), max_length=100, description="Whom it is about; none: the feed's brand")

    @field_validator("text")
    @classmethod
    def _says_something(cls, text: str) -> str:
        if not clean(text):
            raise ValueError("the text is blank")
        return text


class PushBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    posts: list[PushedPost] = Field([], max_length=MOST_POSTS)
    deleted: list[PostId] = Field([], max_length=MOST_DELETED, description="External ids of posts that are gone")


class PushHeader(BaseModel):
    idempotency_key: str | None = Field(
        None, alias="Idempotency-Key", max_length=255, description="Send again with the same key: the same answer"
    )
    overheard_signature: str | None = Field(
        None, alias=HEADER, description="`t=UNIX_TIME,v1=HEX`: HMAC-SHA256 over `UNIX_TIME.` and the body"
    )


class PushPath(BaseModel):
    feed: str = Field(max_length=64, description="The feed's id, or its name")


def _body_schema() -> dict[str, Any]:
    """With the posts' schema in its place: OpenAPI looks for definitions elsewhere."""
    schema = PushBody.model_json_schema()
    schema["properties"]["posts"]["items"] = schema.pop("$defs")["PushedPost"]
    return schema


class Pushed(BaseModel):
    new: int
    known: int = Field(description="Stored before; a later edit has replaced the text")
    mentions: int = Field(description="New ones")


@blueprint.post(
    "/<feed>",
    summary="Push posts",
    description=f"At most {MOST_POSTS:,} posts. A push that is repeated stores nothing twice.",
    request_body={"required": True, "content": {"application/json": {"schema": _body_schema()}}},
    responses={200: Pushed},
)
def push(path: PushPath, header: PushHeader) -> Response:
    house, raw = services(), request.get_data()
    feed = _signed_for(path.feed, header.overheard_signature, raw)
    if not request.is_json:
        raise UnsupportedMediaType("send JSON, with Content-Type: application/json")
    try:
        body = PushBody.model_validate_json(raw)
    except ValidationError as error:
        return invalid(error)
    memory = Memory(house.redis, _place(feed, header.idempotency_key), raw)
    if (before := memory.recall()) is not None:
        return jsonify(before)
    with house.database.write() as session:
        known = _known_brands(session, body.posts)
        if faults := list(_faults(feed, body.posts, known)):
            return unusable(faults)
        kept = _keep(session, feed, body, known)
    if kept.new or kept.edited:
        house.desk.posts_kept()
    answer = {"new": kept.new, "known": kept.known, "mentions": kept.mentions}
    memory.keep(answer)
    return jsonify(answer)


def _place(feed: Feed, idempotency_key: str | None) -> str:
    return names.pushed(feed.id, hashlib.sha256(idempotency_key.encode()).hexdigest()) if idempotency_key else ""


def _signed_for(name: str, signature: str | None, raw: bytes) -> Feed:
    """Raises NotSigned, for an unknown feed, too, or strangers could find out which there are. Raises Conflict."""
    house, now = services(), datetime.now(UTC)
    with house.database.read() as session:
        feed = feeds.webhook(session, name)
    secret = secret_of(house.privacy.secret, feed.id, feed.created_at) if feed else token_hex()
    verify(secret, signature, raw, now.timestamp())
    if feed is None:
        raise NotFound("webhook", name)
    if feed.state == State.paused:
        raise Conflict(f"feed {feed.id} is paused: its operator may resume it")
    return feed


def _known_brands(session: Session, found: Iterable[PushedPost]) -> dict[str, int]:
    """Key of a name -> id, of the brands that are named and exist."""
    named = {key(name) for post in found for name in post.brands}
    return brands.ids_of(session, named)


def _faults(feed: Feed, found: Sequence[PushedPost], known: dict[str, int]) -> Iterable[tuple[str, str]]:
    for number, post in enumerate(found):
        if feed.brand_id is None and not post.brands:
            yield f"posts.{number}.brands", "name at least one: this feed is of no brand"
        for place, name in enumerate(post.brands):
            if key(name) not in known:
                yield f"posts.{number}.brands.{place}", "there is no such brand"


def _keep(session: Session, feed: Feed, body: PushBody, known: dict[str, int]) -> Kept:
    house, now = services(), datetime.now(UTC)
    feeds.pushed(session, feed.id, now)  # first: nobody can remove feed and brand from under us then
    kept = posts.keep(
        session,
        [_heard(feed, post) for post in body.posts],
        source=feed.source,
        brands_of=_brands_of(feed, known),
        feed_id=feed.id,
        privacy=house.privacy,
        now=now,
    )
    posts.forget(session, feed.source, [_id(feed, gone) for gone in body.deleted], house.privacy, now)
    return kept


def _brands_of(feed: Feed, known: dict[str, int]) -> Callable[[Post], Sequence[int]]:
    def find(post: Post) -> Sequence[int]:
        return [known[key(name)] for name in post.brands] or ([feed.brand_id] if feed.brand_id is not None else [])

    return find


def _heard(feed: Feed, post: PushedPost) -> Post:
    language = post.language.split("-")[0].lower()
    return Post(
        external_id=_id(feed, post.external_id),
        text=post.text,
        posted_at=post.posted_at,
        author=post.author,
        url=post.url,
        language=language if language in ISO_639_1 else "",
        reach=post.reach,
        replies_to=_id(feed, post.replies_to),
        quotes=_id(feed, post.quotes),
        edited_at=post.edited_at and post.edited_at.astimezone(UTC),
        brands=post.brands,
    )


def _id(feed: Feed, sent: str | None) -> str:
    """Each webhook has ids of its own: nobody can overwrite what another has sent."""
    return f"{feed.target}/{sent}" if sent else ""
