"""Where posts come from: `/feeds`."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Self

from flask import Response, g, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session
from werkzeug.exceptions import Forbidden

from api.auth import requires
from api.schemas import SECURED, CountedPageQuery, OptionalBody, Problem, RowId, encode_cursor
from api.services import services
from overheard import sources
from overheard.brands import SourceText, Wanted, topic
from overheard.budget import BUDGETED, Forecast, budget_of, forecast
from overheard.collectors.base import Topic
from overheard.errors import Conflict, DataError, SettingsError
from overheard.sources import Source
from overheard.store import brands, feeds, inspections
from overheard.store.feeds import LEAST_S, MOST_S, NEVER, Listed, State
from overheard.store.keys import Role
from overheard.store.tables.heard import Feed, Gap
from overheard.webhooks import secret_of

TRIAL_SLACK_S = 10
"""Besides the time that a platform may take to answer: to find a worker, and for a second request."""

blueprint = APIBlueprint(
    "feeds",
    __name__,
    url_prefix="/feeds",
    abp_tags=[{"name": "feeds", "description": "Where posts come from"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 409, 413, 415, 422, 503), Problem),
)


class NewFeed(BaseModel):
    brand_id: RowId | None = Field(None, description="null: its posts say themselves whom they are about")
    source: SourceText = Field(examples=["rss:https://news.example/feed.xml"])
    every_s: int | None = Field(None, ge=LEAST_S, le=MOST_S, description="Unset: OVERHEARD_INSPECT_EVERY_S")


class TrialBody(BaseModel):
    """A feed that somebody would add, of a brand that is there, or of one that they would add, too."""

    model_config = ConfigDict(extra="forbid")

    source: SourceText = Field(examples=["rss:https://news.example/feed.xml"])
    brand_id: RowId | None = None
    brand: Wanted | None = Field(None, description="Described as for POST /brands; its own sources are not looked at")


class FeedChange(OptionalBody):
    is_paused: bool | None = None
    every_s: int | None = Field(None, ge=LEAST_S, le=MOST_S)
    options: dict[str, str] | None = Field(
        None, description="Like a file's columns; it is then read from its beginning"
    )


class FeedsQuery(CountedPageQuery):
    brand_id: RowId | None = None


class FeedPath(BaseModel):
    feed_id: RowId


class Trouble(BaseModel):
    reason: str
    advice: str = Field("", description="What to do; empty: it is tried again by itself")


class TrialView(BaseModel):
    works: bool
    problem: Trouble | None = Field(description="Why nothing could be read")
    posts: int = Field(
        description="On the first page; there may be more. 0: it answers, and has nothing about the brand"
    )
    newest_at: datetime | None = Field(description="Of the newest of them")
    examples: list[str] = Field(description="What some of them say")


class FeedView(BaseModel):
    id: int
    brand_id: int | None
    brand: str | None = Field(description="Its name")
    source: str = Field(description="As it was said, like `x` or `rss:https://…`")
    every_s: int
    state: State = Field(description="busy: the platform said when to come back; refused: somebody must act")
    problem: Trouble | None = Field(description="Of the last inspection, if it failed")
    failures: int = Field(description="In a row")
    inspected_at: datetime | None = Field(description="When it was last inspected, or pushed to")
    complete_at: datetime | None = Field(description="Up to when everything that the platform has was read")
    due_at: datetime | None = Field(description="The next inspection; null: paused, or its posts come by themselves")
    open_gaps: int = Field(description="Stretches of time of which more may still be learned")
    created_at: datetime

    @classmethod
    def of(cls, listed: Listed, **more: Any) -> Self:
        feed, brand = listed.feed, listed.brand
        shown = {name: getattr(feed, name) for name in FeedView.model_fields if hasattr(feed, name)}
        rests = feed.state == State.paused or feed.due_at == NEVER
        said = {"brand": brand and brand.name, "source": str(sources.of_row(feed)), "open_gaps": listed.open_gaps}
        return cls.model_validate({**shown, **said, "due_at": None if rests else feed.due_at, **more})


class SecretView(BaseModel):
    push_url: str | None = Field(description="Where posts are sent; null: its posts are collected")
    secret: str | None = Field(description="What they are signed with; null: its posts are collected")


class MadeFeed(FeedView, SecretView):
    """A feed, and for a webhook what its sender needs."""


class ReadsView(BaseModel):
    source: str
    spent: int = Field(description="Posts that the platform billed this month (UTC)")
    reads: int = Field(description="What that comes to by the month's end, never more than the budget")
    budget: int = Field(description="What it may come to")
    dollars: float = Field(description="What the forecast costs")
    is_short: bool = Field(description="If the last days went on so, the budget would not last: later posts are gaps")


class FeedPage(BaseModel):
    feeds: list[FeedView]
    reads: list[ReadsView] = Field(description="Of the sources whose reads cost money, and that have feeds")
    next_cursor: str | None = Field(description="null on the last page")


class GapView(BaseModel):
    id: int
    since: datetime
    until: datetime
    reason: str
    is_final: bool = Field(description="The platform no longer gives what is missing")
    filled_at: datetime | None = Field(description="Since when everything of it is known after all")

    @classmethod
    def of(cls, gap: Gap) -> Self:
        return cls.model_validate({name: getattr(gap, name) for name in cls.model_fields})


class GapPage(BaseModel):
    gaps: list[GapView]
    next_cursor: str | None = Field(description="null on the last page")


@blueprint.get("", summary="Newest first", responses={200: FeedPage})
@requires(Role.viewer)
def list_feeds(query: FeedsQuery) -> Response:
    with services().database.read() as session:
        found = feeds.page(session, query.brand_id, query.after_number, query.limit + 1)
        reads = reads_of(session)
    shown = found[: query.limit]
    last = shown[-1].feed if len(found) > query.limit else None
    more = encode_cursor(last.created_at, str(last.id)) if last else None
    page = FeedPage(feeds=[FeedView.of(listed) for listed in shown], reads=reads, next_cursor=more)
    return jsonify(page.model_dump(mode="json"))


def reads_of(session: Session) -> list[ReadsView]:
    return [ReadsView(source=source, **asdict(told)) for source, told in _forecasts(session)]


def _forecasts(session: Session) -> Iterator[tuple[str, Forecast]]:
    now = datetime.now(UTC)
    for source in BUDGETED:
        budget = budget_of(source, services().settings)
        if budget and inspections.count_feeds(session, source):
            yield source, forecast(budget, inspections.spent(session, source, now), now)


@blueprint.post("", summary="Listen there", responses={200: MadeFeed, 201: MadeFeed})
@requires(Role.operator)
def add(body: NewFeed) -> tuple[Response, int]:
    """Adding a feed again changes nothing and answers 200."""
    house, said = services(), sources.parse(body.source)
    with house.database.read() as session:
        brand = brands.get(session, body.brand_id) if body.brand_id is not None else None
    about = topic(brand.name, brands.spec_of(brand)) if brand else Topic(())
    require_file_role([said])
    _check(said, about)
    every_s = body.every_s or house.settings.inspect_every_s
    with house.database.write() as session:
        if brand:
            brands.get(session, brand.id)
        feed, is_new = feeds.add(session, body.brand_id, said, every_s, datetime.now(UTC))
        listed = feeds.shown(session, feed.id)
    made = MadeFeed.of(listed, **secret_view(feed).model_dump())
    return jsonify(made.model_dump(mode="json")), 201 if is_new else 200


@blueprint.post(
    "/tests",
    summary="Could it be read?",
    description="A worker asks for one page and keeps nothing; of paid reads it spends ten at most. What the platform "
    "says is in `problem`; 503 when no worker answered.",
    responses={200: TrialView},
)
@requires(Role.operator)
def test(body: TrialBody) -> Response:
    house, said = services(), sources.parse(body.source)
    if said.is_pushed:
        raise DataError(f"{said} can't be tried: its posts come by themselves")
    about = _topic(body)
    require_file_role([said])
    _check(said, about)
    found = house.desk.try_feed(str(said), asdict(about), house.settings.fetch_timeout_s + TRIAL_SLACK_S)
    reason, advice = found.pop("reason"), found.pop("advice")
    trouble = Trouble(reason=reason, advice=advice) if reason else None
    return jsonify(TrialView(works=not reason, problem=trouble, **found).model_dump(mode="json"))


def _topic(body: TrialBody) -> Topic:
    if body.brand is not None:
        return topic(body.brand.name, body.brand.spec)
    if body.brand_id is None:
        return Topic(())
    with services().database.read() as session:
        brand = brands.get(session, body.brand_id)
        return topic(brand.name, brands.spec_of(brand))


@blueprint.get("/<int:feed_id>", summary="How it does", responses={200: FeedView})
@requires(Role.viewer)
def show(path: FeedPath) -> Response:
    with services().database.read() as session:
        listed = feeds.shown(session, path.feed_id)
    return jsonify(FeedView.of(listed).model_dump(mode="json"))


@blueprint.patch("/<int:feed_id>", summary="Pause, resume, change", responses={200: FeedView})
@requires(Role.operator)
def change(path: FeedPath, body: FeedChange) -> Response:
    now = datetime.now(UTC)
    if body.options is not None:
        _check_options(path.feed_id, body.options)
    with services().database.write() as session:
        feed = feeds.locked(session, path.feed_id)
        if body.options is not None:
            feeds.change_options(feed, body.options, now)
        if body.every_s is not None:
            feeds.change_every(feed, body.every_s, now)
        if body.is_paused is not None:
            feeds.pause(feed) if body.is_paused else feeds.resume(feed, now)
        listed = feeds.shown(session, feed.id)
    return jsonify(FeedView.of(listed).model_dump(mode="json"))


@blueprint.delete("/<int:feed_id>", summary="Listen there no more; what was heard stays", responses={204: None})
@requires(Role.operator)
def remove(path: FeedPath) -> tuple[str, int]:
    with services().database.write() as session:
        feeds.remove(session, path.feed_id)
    return "", 204


@blueprint.get("/<int:feed_id>/gaps", summary="What it does not know, newest first", responses={200: GapPage})
@requires(Role.viewer)
def list_gaps(path: FeedPath, query: CountedPageQuery) -> Response:
    with services().database.read() as session:
        feeds.get(session, path.feed_id)
        found = feeds.gaps(session, path.feed_id, query.after_number, query.limit + 1)
    shown = found[: query.limit]
    more = encode_cursor(shown[-1].since, str(shown[-1].id)) if len(found) > query.limit else None
    page = GapPage(gaps=[GapView.of(gap) for gap in shown], next_cursor=more)
    return jsonify(page.model_dump(mode="json"))


@blueprint.post("/<int:feed_id>/inspections", summary="Inspect it now", responses={202: FeedView})
@requires(Role.operator)
def inspect(path: FeedPath) -> tuple[Response, int]:
    with services().database.write() as session:
        feed = feeds.locked(session, path.feed_id)
        feeds.inspect(feed, datetime.now(UTC))
        listed = feeds.shown(session, feed.id)
    return jsonify(FeedView.of(listed).model_dump(mode="json")), 202


@blueprint.get("/<int:feed_id>/secret", summary="What a webhook's sender needs", responses={200: SecretView})
@requires(Role.operator)
def secret(path: FeedPath) -> Response:
    with services().database.read() as session:
        feed = feeds.get(session, path.feed_id)
    view = secret_view(feed)
    if view.secret is None:
        raise Conflict(f"feed {feed.id} has no secret: its posts are collected")
    return jsonify(view.model_dump())


def secret_view(feed: Feed) -> SecretView:
    if not sources.of_row(feed).is_pushed:
        return SecretView(push_url=None, secret=None)
    key = services().privacy.secret
    return SecretView(push_url=f"/webhooks/{feed.id}", secret=secret_of(key, feed.id, feed.created_at))


def require_file_role(said: list[Source]) -> None:
    """Raises Forbidden for one who is no admin where a worker would read files of its machine."""
    if g.role < Role.admin and any(source.reads_files for source in said):
        raise Forbidden(f"a file feed needs the role admin: it reads files of the server; the key has {g.role.name}")


def _check_options(feed_id: int, options: dict[str, str]) -> None:
    with services().database.read() as session:
        listed = feeds.shown(session, feed_id)
    said = Source(listed.feed.source, listed.feed.target, options)
    if said.source not in (*sources.WITH_OPTIONS, sources.FILE):
        raise DataError(f"feed {feed_id} takes no options")
    require_file_role([said])
    _check(said, feeds.asked(listed.feed, listed.brand).topic)


def _check(said: Source, about: Topic) -> None:
    try:
        sources.check(said, about, services().settings)
    except SettingsError as error:
        raise Conflict(str(error)) from error
