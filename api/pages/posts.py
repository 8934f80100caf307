"""The posts behind the numbers: searched, filtered, put in order, corrected, taken along as CSV."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from flask import g, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth import requires
from api.pages import brands, told, words
from api.pages.brands import Choice
from api.pages.site import asked, blueprint
from api.routes.posts import MOST_EXPORTED, PostsPageQuery
from api.schemas import encode_cursor
from api.services import services
from overheard.scoring.bundle import LABELS
from overheard.scoring.text import key
from overheard.store import keys, labels, listing
from overheard.store.keys import Role
from overheard.store.listing import Listed, Order
from overheard.store.tables.counts import Quarter

PERIODS: Final[Mapping[str, tuple[str, int]]] = {
    "1": ("24 hours", 1),
    "7": ("7 days", 7),
    "30": ("30 days", 30),
    "90": ("90 days", 90),
    "365": ("A year", 365),
    "all": ("All there is", 0),
}
DEFAULT: Final = "30"
ORDERS: Final = {
    Order.newest: "Newest",
    Order.reach: "Most reposted",
    Order.uncertainty: "Least certain",
    Order.negativity: "Most negative",
}


@dataclass(frozen=True)
class Told:
    """A post, and who labelled its text: name and class. mine: what the reader said of it, or None."""

    listed: Listed
    labels: Sequence[tuple[str, str]]
    mine: str | None


@blueprint.get("/app/posts")
@requires(Role.viewer)
def posts() -> str:
    brand = brands.chosen()
    if brand is None:
        return render_template("posts.html", state="no brand")
    period = request.args.get("period", DEFAULT)
    period = period if period in PERIODS else DEFAULT
    query = _asked(brand, period)
    with services().database.read() as session:
        found = listing.page(session, query.wanted, query.after, query.limit, query.sort)
        shown = _with_labels(session, found.posts)
        filters = _filters(session, brand, query)
    return render_template(
        "posts.html",
        state="there",
        query=query,
        shown=shown,
        next_cursor=found.next and encode_cursor(found.next[0], str(found.next[1])),
        back_to=found.back_to,
        looked_through=listing.LOOKED_THROUGH,
        is_drilled="since" in request.args or "until" in request.args,
        is_filtered=any(request.args.get(name) for name in ("q", "source", "language", "sentiment", "since", "until")),
        period=period,
        export=_export(query),
        most_exported=MOST_EXPORTED,
        **filters,
    )


def _asked(brand: Choice, period: str) -> PostsPageQuery:
    """As the API would be asked. Times in the address win over the period. Raises BadRequest."""
    given: dict[str, Any] = {"brand_id": brand.id}
    if not (request.args.get("since") or request.args.get("until")) and (days := PERIODS[period][1]):
        given["since"] = datetime.now(UTC) - timedelta(days=days)
    return asked(PostsPageQuery, **given)


def _export(query: PostsPageQuery) -> str:
    asked = query.model_dump(mode="json", exclude={"limit", "cursor"}, exclude_defaults=True)
    return url_for("posts.export", **asked)


def _filters(session: Session, brand: Choice, query: PostsPageQuery) -> dict[str, Any]:
    of_brand = select(Quarter.source).where(Quarter.brand_id == brand.id)
    sources = session.scalars(of_brand.distinct().order_by(Quarter.source))
    spoken = listing.languages(session, brand.id)
    if query.language and query.language not in spoken:
        spoken.append(query.language)
    return {
        "periods": [(value, name) for value, (name, _) in PERIODS.items()],
        "sources": [("", "All"), *((source, words.platform(source)) for source in sources)],
        "languages": [("", "All"), *((language, told.language(language)) for language in spoken)],
        "sentiments": [("", "All"), *((name, name.capitalize()) for name in LABELS)],
        "orders": [(order.value if order != Order.newest else "", name) for order, name in ORDERS.items()],
    }


def _with_labels(session: Session, found: Sequence[Listed]) -> list[Told]:
    """Who said what is told to those who may label themselves."""
    if g.role < Role.labeller:
        return [Told(one, (), None) for one in found]
    said = labels.of_texts(session, [key(one.post.text) for one in found])
    names = keys.names(session, {label.labelled_by for given in said.values() for label in given})
    shown = []
    for one in found:
        given = {label.labelled_by: LABELS[label.label] for label in said.get(key(one.post.text), ())}
        mine = given.pop(g.owner, None)
        others = [(names.get(who, who), name) for who, name in given.items()]
        shown.append(Told(one, others, mine))
    return shown
