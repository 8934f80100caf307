"""What was heard: `/posts`, and its erasure: `DELETE /posts/{id}`, `DELETE /authors/{source}/{author}`."""

from datetime import UTC, datetime, timedelta
from typing import Literal, Self

from flask import Response, jsonify
from flask_openapi import APIBlueprint
from pydantic import AwareDatetime, BaseModel, Field

from api.auth import requires
from api.schemas import SECURED, CountedPageQuery, Problem, encode_cursor
from api.services import services
from overheard.scoring.bundle import LABELS
from overheard.store import erasure, listing, models, unscored
from overheard.store.erasure import Erased
from overheard.store.keys import Role
from overheard.store.listing import Listed, Wanted

Name = Literal["negative", "neutral", "positive"]

blueprint = APIBlueprint(
    "posts",
    __name__,
    abp_tags=[{"name": "posts", "description": "What was heard"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 422, 503), Problem),
)


class PostsQuery(CountedPageQuery):
    brand_id: int | None = Field(None, ge=1, le=2**31 - 1)
    source: str | None = Field(None, max_length=32)
    sentiment: Name | None = Field(None, description="Only posts whose most probable class this is")
    since: AwareDatetime | None = Field(None, description="Posted then or later")
    until: AwareDatetime | None = Field(None, description="Posted before")


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
        return cls.model_validate({**post.details, **told, "brands": brands, "score": _score_view(listed)})


class PostPage(BaseModel):
    posts: list[PostView]
    next_cursor: str | None = Field(description="null on the last page")


class ErasedView(BaseModel):
    posts: int
    labels: int = Field(description="People's labels of these texts")
    models: list[str] = Field(description="Versions that have trained on one of those labels: retrain to be rid of it")


class RescoringBody(BaseModel):
    days: int = Field(7, ge=1, le=3650, description="Posts of so many days")


class Rescoring(BaseModel):
    posts: int = Field(description="How many the model in service has not read, and will now")
    model: str


def _score_view(listed: Listed) -> ScoreView | None:
    if (score := listed.score) is None:
        return None
    told = {name: getattr(score, name) for name in ScoreView.model_fields if hasattr(score, name)}
    most = max(LABELS, key=lambda name: float(getattr(score, name)))
    return ScoreView.model_validate({**told, "sentiment": most})


@blueprint.get("/posts", summary="Newest first", responses={200: PostPage})
@requires(Role.viewer)
def list_posts(query: PostsQuery) -> Response:
    wanted = Wanted(query.brand_id, query.source, query.sentiment, query.since, query.until)
    with services().database.read() as session:
        found = listing.page(session, wanted, query.after_number, query.limit + 1)
    shown = found[: query.limit]
    last = shown[-1].post if len(found) > query.limit else None
    more = encode_cursor(last.posted_at, str(last.id)) if last else None
    page = PostPage(posts=[PostView.of(one) for one in shown], next_cursor=more)
    return jsonify(page.model_dump(mode="json"))


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
