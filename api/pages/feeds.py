"""Where posts come from, how that goes and what it costs; brands and feeds are added here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from flask import g, render_template, request
from pydantic import ValidationError
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest

from api.auth import requires
from api.pages import brands, words, zones
from api.pages.brands import Choice
from api.pages.site import blueprint
from api.routes.feeds import FeedsQuery, FeedView, GapView, reads_of
from api.schemas import encode_cursor
from api.services import services
from overheard import collectors
from overheard.collectors import PUSHED
from overheard.store import brands as kept
from overheard.store import feeds as listened
from overheard.store import lately, series
from overheard.store.feeds import State
from overheard.store.keys import Role
from overheard.store.lately import Brought
from overheard.store.series import Step

DAYS: Final = 7
SHOWN_GAPS: Final = 10
GAPS_SINCE: Final = timedelta(days=30)
STATES: Final[Mapping[str, tuple[str, str]]] = {
    State.refused: ("Needs you", "bad"),
    State.down: ("No answer", "bad"),
    State.busy: ("Asked to wait", "warn"),
    "behind": ("Behind", "warn"),
    State.new: ("Not looked at yet", "calm"),
    State.ok: ("Well", "good"),
    State.paused: ("Paused", "calm"),
}
"""A feed's state in a badge's words and kind; those that somebody should see come first."""


@dataclass(frozen=True)
class Platform:
    """A kind of source as the form offers it. target: what is asked for besides, empty where nothing is."""

    source: str
    name: str
    hint: str
    target: str = ""
    example: str = ""
    is_needed: bool = False


PLATFORMS: Final = (
    Platform(
        "rss",
        "RSS or Atom",
        "News sites and blogs. Entries that name the brand are taken. Costs nothing.",
        "Address of the feed",
        "https://news.example/feed.xml",
        is_needed=True,
    ),
    Platform("hn", "Hacker News", "Stories and comments with the brand's words. Needs nothing, costs nothing."),
    Platform(
        "mastodon",
        "Mastodon",
        "Posts with the brand's hashtags; with OVERHEARD_MASTODON_TOKEN also its words. Costs nothing.",
        "Instance",
        "https://mastodon.social",
    ),
    Platform("bluesky", "Bluesky", "Needs an app password in OVERHEARD_BLUESKY_HANDLE and _PASSWORD. Costs nothing."),
    Platform(
        "x",
        "X",
        "Needs OVERHEARD_X_TOKEN. Each post that is read costs money; a test reads ten.",
        "Query of your own, instead of the brand's words",
    ),
    Platform(
        PUSHED,
        "Pushed by your own program",
        "A shop, a help desk, a survey sends its posts, signed. There is nothing to test.",
        "Name",
        "shop",
        is_needed=True,
    ),
    Platform(
        "file",
        "A file on the server",
        "CSV, JSONL or Parquet with a column of texts, which every worker can read.",
        "Whole path, and which columns",
        "/data/posts.csv?text=body&id=tweet_id",
        is_needed=True,
    ),
)


@dataclass(frozen=True)
class Told:
    """A feed as the page shows it. target: where on its platform; state: a key of STATES."""

    feed: FeedView
    source: str
    target: str
    state: str
    is_pushed: bool
    brought: Brought | None
    gaps: Sequence[GapView]

    @property
    def problem(self) -> str:
        """In a sentence, without the platform's name, which stands beside it."""
        reason = self.feed.problem.reason.removeprefix(f"{self.source}: ") if self.feed.problem else ""
        begins_with_host = "." in reason.partition(" ")[0]
        return reason if begins_with_host else words.capitalize_first(reason)

    @property
    def advice(self) -> str:
        """Empty where the problem says it already."""
        advice = self.feed.problem.advice if self.feed.problem else ""
        return "" if advice in self.problem else words.capitalize_first(advice)


@blueprint.get("/app/feeds")
@requires(Role.viewer)
def feeds() -> str:
    chosen, house, now = brands.chosen(), services(), datetime.now(UTC)
    about = chosen if chosen and request.args.get("about") == "brand" else None
    query = _asked(about)
    times = series.edges(now - timedelta(days=DAYS - 1), now, Step.day, zones.of_reader())
    with house.database.read() as session:
        found = listened.page(session, query.brand_id, query.after_number, query.limit + 1)
        last = found[query.limit - 1].feed if len(found) > query.limit else None
        shown = _told(session, found[: query.limit], times, now)
        return render_template(
            "feeds.html",
            about=about,
            shown=sorted(shown, key=lambda one: list(STATES).index(one.state)),
            next_cursor=last and encode_cursor(last.created_at, str(last.id)),
            counts=_counts(shown),
            reads=reads_of(session),
            described=[(brand, kept.spec_of(brand)) for brand in kept.all_of_them(session)],
            states=STATES,
            days=DAYS,
            platforms=_offered(),
            wants_form=g.role >= Role.operator and ("add" in request.args or not brands.all_of_them()),
            added=next((one for one in shown if str(one.feed.id) == request.args.get("added")), None),
        )


def _asked(about: Choice | None) -> FeedsQuery:
    try:
        asked = {"cursor": request.args.get("cursor"), "brand_id": about.id if about else None}
        return FeedsQuery.model_validate(asked)
    except ValidationError:
        raise BadRequest("the address says something of the cursor that means nothing here") from None


def _told(session: Session, found: Sequence[Any], times: Sequence[datetime], now: datetime) -> list[Told]:
    brought = lately.brought(session, [brand.id for brand in brands.all_of_them()], times)
    gaps = lately.gaps(session, [one.feed.id for one in found], now - GAPS_SINCE)
    return [
        Told(
            FeedView.of(one),
            one.feed.source,
            one.feed.target,
            "behind" if one.feed.state == State.ok and one.feed.problem else one.feed.state,
            one.feed.source == PUSHED,
            brought.get(one.feed.id),
            [GapView.of(gap) for gap in gaps[one.feed.id][:SHOWN_GAPS]],
        )
        for one in found
    ]


def _counts(shown: Sequence[Told]) -> dict[str, int]:
    """How many hear all, do not hear now, and wait for somebody."""
    states = [one.state for one in shown]
    return {
        "all": len(states),
        "needs you": states.count(State.refused),
        "unheard": states.count(State.down) + states.count(State.busy) + states.count("behind"),
        "paused": states.count(State.paused),
    }


def _offered() -> list[Platform]:
    """What the reader's key may add, with the sources that others' packages bring."""
    known = [one for one in PLATFORMS if one.source != "file" or g.role >= Role.admin]
    others = set(collectors.sources()) - {one.source for one in PLATFORMS}
    return known + [Platform(name, words.platform(name), "", "What it asks for") for name in sorted(others)]
