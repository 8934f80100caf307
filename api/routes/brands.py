"""Whom people talk about: `/brands`."""

from datetime import UTC, datetime
from typing import Any, Literal, Self

from flask import Response, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field

from api.auth import requires
from api.routes.feeds import FeedView, MadeFeed, require_file_role, secret_view
from api.schemas import SECURED, CountedPageQuery, OptionalBody, Problem, RowId, encode_cursor
from api.services import services
from overheard import sources
from overheard.brands import MAX_BRANDS, Languages, Name, Terms, Wanted, WantedBrands
from overheard.store import brands, feeds, wanted
from overheard.store.keys import Role
from overheard.store.tables.heard import Brand

MOST_FEEDS = 1000

blueprint = APIBlueprint(
    "brands",
    __name__,
    url_prefix="/brands",
    abp_tags=[{"name": "brands", "description": "Whom people talk about"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 409, 413, 415, 422, 503), Problem),
)


class BrandsBody(WantedBrands):
    dry_run: bool = Field(False, description="Only say what would change")
    prune: bool = Field(False, description="Remove the brands that are not named here, with all that was heard of them")


class BrandChange(OptionalBody):
    name: Name | None = None
    aliases: Terms | None = None
    products: Terms | None = None
    competitors: Terms | None = None
    languages: Languages | None = None
    excluded: Terms | None = None


class BrandsQuery(CountedPageQuery):
    name: str | None = Field(None, max_length=100, description="Only this brand, however it is written")


class BrandPath(BaseModel):
    brand_id: RowId


class BrandView(BaseModel):
    id: int
    name: str
    aliases: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    competitors: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, brand: Brand, **more: Any) -> Self:
        shown = {name: getattr(brand, name) for name in ("id", "name", "created_at", "updated_at")}
        return cls.model_validate({**shown, **brand.spec, **more})


class BrandDetail(BrandView):
    feeds: list[FeedView]


class MadeBrand(BrandView):
    feeds: list[MadeFeed] = Field(description="Those of the sources that were named")


class BrandPage(BaseModel):
    brands: list[BrandView]
    next_cursor: str | None = Field(description="null on the last page")


class AppliedChange(BaseModel):
    action: Literal["added", "changed", "removed", "unchanged"]
    brand: str
    feed: str = Field(description="Its source; empty: the brand itself")
    fields: tuple[str, ...] = Field(description="What was changed")


class Changes(BaseModel):
    changes: list[AppliedChange]


@blueprint.get("", summary="Newest first", responses={200: BrandPage})
@requires(Role.viewer)
def list_brands(query: BrandsQuery) -> Response:
    with services().database.read() as session:
        if query.name is None:
            found = brands.page(session, query.after_number, query.limit + 1)
        else:
            named = brands.named(session, query.name)
            found = [named] if named else []
    shown = found[: query.limit]
    more = encode_cursor(shown[-1].created_at, str(shown[-1].id)) if len(found) > query.limit else None
    page = BrandPage(brands=[BrandView.of(brand) for brand in shown], next_cursor=more)
    return jsonify(page.model_dump(mode="json"))


@blueprint.post(
    "",
    summary="Listen for a brand",
    description="Adding a brand again changes nothing and answers 200; sources that are new are added to it.",
    responses={200: MadeBrand, 201: MadeBrand},
)
@requires(Role.operator)
def add(body: Wanted) -> tuple[Response, int]:
    house = services()
    require_file_role([sources.parse(text) for text in body.sources])
    wanted.check([body], house.settings)
    with house.database.write() as session:
        brand, added, is_new = wanted.add(session, body, house.settings.inspect_every_s, datetime.now(UTC))
        listed = [feeds.shown(session, feed.id) for feed in added]
    made = [MadeFeed.of(one, **secret_view(one.feed).model_dump()) for one in listed]
    return jsonify(MadeBrand.of(brand, feeds=made).model_dump(mode="json")), 201 if is_new else 200


@blueprint.put(
    "",
    summary="Make brands and their feeds so",
    description=f"At most {MAX_BRANDS:,} brands, all or nothing. A brand's feeds that are not named are removed; what "
    "they heard stays. Doing it again changes nothing.",
    responses={200: Changes},
)
@requires(Role.operator)
def apply(body: BrandsBody) -> Response:
    house = services()
    require_file_role([sources.parse(text) for brand in body.brand for text in brand.sources])
    wanted.check(body.brand, house.settings)
    with house.database.write() as session:
        changes = wanted.apply(session, body.brand, house.settings.inspect_every_s, datetime.now(UTC))
        others = {brand.id: brand.name for brand in wanted.others(session, body.brand)} if body.prune else {}
        if body.dry_run:
            session.rollback()
    changes += [wanted.Change("removed", name) for name in others.values()]
    if not body.dry_run:
        for brand_id in others:
            brands.remove(house.database, brand_id)
    views = [AppliedChange.model_validate(change, from_attributes=True) for change in changes]
    return jsonify(Changes(changes=views).model_dump(mode="json"))


@blueprint.get("/<int:brand_id>", summary="A brand and its feeds", responses={200: BrandDetail})
@requires(Role.viewer)
def show(path: BrandPath) -> Response:
    with services().database.read() as session:
        brand = brands.get(session, path.brand_id)
        listed = feeds.page(session, brand.id, None, MOST_FEEDS)
    detail = BrandDetail.of(brand, feeds=[FeedView.of(one) for one in listed])
    return jsonify(detail.model_dump(mode="json"))


@blueprint.patch("/<int:brand_id>", summary="Describe it anew; its feeds go on", responses={200: BrandView})
@requires(Role.operator)
def change(path: BrandPath, body: BrandChange) -> Response:
    given = body.model_dump(exclude_none=True)
    with services().database.write() as session:
        brand = brands.get(session, path.brand_id)
        after = Wanted.read({"name": brand.name, **brand.spec, **given})
        brand = brands.change(session, brand.id, after.name, after.spec, datetime.now(UTC))
    return jsonify(BrandView.of(brand).model_dump(mode="json"))


@blueprint.delete(
    "/<int:brand_id>",
    summary="Forget a brand",
    description="Its feeds, its hours, and the posts that mention nobody else.",
    responses={204: None},
)
@requires(Role.operator)
def remove(path: BrandPath) -> tuple[str, int]:
    brands.remove(services().database, path.brand_id)
    return "", 204
