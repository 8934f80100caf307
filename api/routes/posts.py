"""What was heard: `/posts`, `/posts.csv`. Its erasure: `DELETE /posts/{id}`, `DELETE /authors/{source}/{author}`."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, Self

from flask import Response, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field, model_validator

from api.auth import requires
from api.schemas import SECURED, Problem, RowId, Time, counted, decode_cursor, decode_ranked, encode_cursor
from api.services import services
from overheard import sheets
from overheard.errors import ScoringUnavailable
from overheard.scoring.bundle import LABELS
from overheard.store import erasure, listing, models, unscored
from overheard.store.database import Database
from overheard.store.erasure import Erased
from overheard.store.keys import Role
from overheard.store.listing import Listed, Order, Place, Wanted
from overheard.store.tables.heard import Score

Name = Literal["negative", "neutral", "positive"]
MOST_EXPORTED: Final = 10_000
EXPORTED_AT_ONCE: Final = 1000
COLUMNS: Final = (
    "id",
    "posted_at",
    "source",
    "language",
    "brands",
    "text",
    "reach",
    "url",
    *LABELS,
    "sentiment",
    "model",
)

blueprint = APIBlueprint(
    "posts",
    __name__,
    abp_tags=[{"name": "posts", "description": "What was heard"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 422, 503), Problem),
)


class PostsQuery(BaseModel):
    brand_id: RowId | None = None
    source: str | None = Field(None, max_length=32)
    language: str | None = Field(None, max_length=8)
    sentiment: Name | None = Field(None, description="Only posts whose most probable class this is")
    since: Time | None = Field(None, description="Posted then or later")
    until: Time | None = Field(None, description="Posted before")
    q: str = Field("", max_length=200, description="Words that are all in the text")
    sort: Order = Field(
        Order.newest, description=f"All but `newest` put the newest {listing.LOOKED_THROUGH:,} of the period in order"
    )

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.brand_id, self.source, self.sentiment, self.since, self.until, self.language, self.q)


class PostsPageQuery(PostsQuery):
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, description="`next_cursor` of the page before, with the same filters")

    @model_validator(mode="after")
    def _is_ours(self) -> Self:
        _ = self.after
        return self

    @property
    def after(self) -> Place | None:
        return place(self.cursor, self.sort)


def place(cursor: str | None, order: Order) -> Place | None:
    """Raises ValueError for a cursor of another order, or none of ours."""
    if not cursor:
        return None
    at, row_id = decode_cursor(cursor) if order == Order.newest else decode_ranked(cursor)
    return at, counted(row_id)


class PostPath(BaseModel):
    post_id: int = Field(ge=1, le=2**63 - 1)


class AuthorPath(BaseModel):
    source: str = Field(max_length=32)
    author: str = Field(max_length=255, description="As the platform names them, like a user's id on X")


class ScoreView(BaseModel):
    negative: float
    neutral: float
    positive: float
    sentiment: Name
    model: str
    scored_at: datetime


class BrandName(BaseModel):
    id: int
    name: str


class PostView(BaseModel):
    id: int
    source: str
    external_id: str
    author: str = Field(description="A keyed hash, unless OVERHEARD_KEEP_AUTHORS is set")
    text: str
    language: str
    reach: int = Field(description="How often it was reposted")
    url: str = ""
    replies_to: str = ""
    quotes: str = ""
    edited_at: str | None = None
    posted_at: datetime
    heard_at: datetime
    brands: list[BrandName]
    score: ScoreView | None = Field(description="The newest; null while it waits for one")

    @classmethod
    def of(cls, listed: Listed) -> Self:
        post = listed.post
        told = {name: getattr(post, name) for name in cls.model_fields if hasattr(post, name)}
        brands = [BrandName(id=brand_id, name=name) for brand_id, name in listed.brands.items()]
        return cls.model_validate({**post.details, **told, "brands": brands, "score": score_view(listed.score)})


class PostPage(BaseModel):
    posts: list[PostView]
    next_cursor: str | None = Field(description="null on the last page; a page may hold less than `limit` before it")
    looked_back_to: datetime | None = Field(
        description=f"Set where {listing.LOOKED_THROUGH:,} posts were looked through: older ones were not"
    )


class ErasedView(BaseModel):
    posts: int
    labels: int = Field(description="People's labels of these texts")
    models: list[str] = Field(description="Versions that have trained on one of those labels: retrain to be rid of it")


class RescoringBody(BaseModel):
    days: int = Field(7, ge=1, le=3650, description="Posts of so many days")


class Rescoring(BaseModel):
    posts: int = Field(description="How many the model in service has not read, and will now")
    model: str


def score_view(score: Score | None) -> ScoreView | None:
    if score is None:
        return None
    told = {name: getattr(score, name) for name in ScoreView.model_fields if hasattr(score, name)}
    most = max(LABELS, key=lambda name: float(getattr(score, name)))
    return ScoreView.model_validate({**told, "sentiment": most})


@blueprint.get("/posts", summary="Newest first, or in another order", responses={200: PostPage})
@requires(Role.viewer)
def list_posts(query: PostsPageQuery) -> Response:
    with services().database.read() as session:
        found = listing.page(session, query.wanted, query.after, query.limit, query.sort)
    page = PostPage(
        posts=[PostView.of(one) for one in found.posts],
        next_cursor=found.next and encode_cursor(found.next[0], str(found.next[1])),
        looked_back_to=found.back_to,
    )
    return jsonify(page.model_dump(mode="json"))


@blueprint.get(
    "/posts.csv",
    summary="The same as CSV for spreadsheets",
    description=f"At most {MOST_EXPORTED:,} posts. A cell that a spreadsheet would run gets a leading apostrophe.",
    responses={200: {"description": "The rows", "content": {"text/csv": {"schema": {"type": "string"}}}}},
)
@requires(Role.viewer)
def export(query: PostsQuery) -> Response:
    house = services()
    if not house.streams.acquire(blocking=False):
        raise ScoringUnavailable(f"{house.settings.max_streams} streams are open already", 5)
    response = Response(_lines(house.database, query), content_type="text/csv; charset=utf-8")
    response.call_on_close(house.streams.release)
    response.headers.set("Content-Disposition", "attachment", filename="posts.csv")
    return response


def _lines(database: Database, query: PostsQuery) -> Iterator[str]:
    """Page by page: no transaction is open while the reader is slow."""
    yield sheets.line(COLUMNS)
    after, left = None, MOST_EXPORTED
    while left:
        with database.read() as session:
            found = listing.page(session, query.wanted, after, min(left, EXPORTED_AT_ONCE), query.sort)
        yield "".join(sheets.line(_cells(PostView.of(one))) for one in found.posts)
        after, left = found.next, left - len(found.posts)
        if after is None:
            return


def _cells(post: PostView) -> Iterator[object]:
    score = post.score
    yield from (post.id, post.posted_at.isoformat(), post.source, post.language)
    yield from (", ".join(brand.name for brand in post.brands), post.text, post.reach, post.url)
    yield from (getattr(score, name) if score else "" for name in (*LABELS, "sentiment", "model"))


@blueprint.get("/posts/<post_id>", summary="A post", responses={200: PostView})
@requires(Role.viewer)
def show(path: PostPath) -> Response:
    with services().database.read() as session:
        found = listing.get(session, path.post_id)
    return jsonify(PostView.of(found).model_dump(mode="json"))


@blueprint.delete("/posts/<post_id>", summary="Erase a post, for good", responses={200: ErasedView})
@requires(Role.operator)
def erase(path: PostPath) -> Response:
    house = services()
    return _told(erasure.erase_post(house.database, path.post_id, house.privacy, datetime.now(UTC)))


@blueprint.delete(
    "/authors/<source>/<author>",
    summary="Erase all that somebody wrote",
    description="Their posts, scores and labels; what they write later is heard again. Erasing nothing is no error.",
    responses={200: ErasedView},
)
@requires(Role.operator)
def erase_author(path: AuthorPath) -> Response:
    house = services()
    return _told(erasure.erase_author(house.database, path.source, path.author, house.privacy, datetime.now(UTC)))


def _told(erased: Erased) -> Response:
    return jsonify({"posts": erased.posts, "labels": erased.labels, "models": list(erased.models)})


@blueprint.post(
    "/posts/rescoring", summary="Have the model in service read recent posts again", responses={202: Rescoring}
)
@requires(Role.operator)
def rescore(body: RescoringBody) -> tuple[Response, int]:
    house = services()
    with house.database.write() as session:
        model = models.serving(session, house.settings.first_model)
        version = model.version if model else ""
        count = unscored.add_since(session, datetime.now(UTC) - timedelta(days=body.days), version)
    if count:
        house.desk.posts_kept()
    return jsonify({"posts": count, "model": version}), 202
