"""What is wrong now, what was, what is watched for it, and who is told."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from flask import g, render_template, request
from pydantic import ValidationError
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest

from api.auth import requires
from api.pages import brands
from api.pages.brands import Choice
from api.pages.site import blueprint, posts_link
from api.routes import rules
from api.routes.recipients import RecipientView
from api.routes.rules import KindView, RuleView
from api.schemas import CountedPageQuery, encode_cursor
from api.services import services
from overheard.aggregates import HOUR
from overheard.alerts.finding import Finding
from overheard.alerts.options import BrandOptions
from overheard.standing import How
from overheard.store import incidents, keys, listing, recipients
from overheard.store.keys import Role
from overheard.store.listing import Listed
from overheard.store.tables.alerting import Incident, Rule

MOST_OPEN: Final = 50
PAST: Final = 10
EXAMPLES: Final = 3
WATCHED: Final = {
    "negative_share": "More negative posts",
    "volume_spike": "Many more posts",
    "topic": "A topic that spreads",
    "silence": "A silent source",
    "feed": "A feed that fails",
    "worker": "A missing worker",
    "queue": "A stuck queue",
    "training": "A failed training",
    "accuracy": "A model that became worse",
    "budget": "A budget nearly spent",
}
STANDS: Final = {
    How.off: ("Off", "calm"),
    How.snoozed: ("Snoozed", "calm"),
    How.found: ("Alert", "bad"),
    How.unknown: ("Unknown", "warn"),
    How.idle: ("No brand yet", "calm"),
    How.calm: ("Calm", "good"),
}
"""How a rule stands, in a badge's words and kind."""


@dataclass(frozen=True)
class Way:
    """One in which somebody may be told. schemes: of addresses; without one that is allowed it is not offered."""

    name: str
    schemes: Collection[str]
    example: str
    hint: str


WAYS: Final = (
    Way(
        "E-mail",
        ("mailto", "mailtos"),
        "mailtos://alerts:PASSWORD@mail.example.com/?from=alerts@example.com&to=ann@example.com",
        "The mailbox that sends, with its password and its server, and whom it goes to, with commas between. An @ in "
        "the user or the password is written %40.",
    ),
    Way(
        "Slack",
        ("slack",),
        "https://hooks.slack.com/services/…",
        "Add an incoming webhook to the channel in Slack, and paste its address.",
    ),
    Way(
        "Teams",
        ("workflow", "workflows"),
        "https://….logic.azure.com:443/workflows/…",
        "Make the workflow “when a Teams webhook request is received” in Teams, and paste its address.",
    ),
    Way(
        "Discord",
        ("discord",),
        "https://discord.com/api/webhooks/…",
        "Make a webhook in the channel's integrations, and paste its address.",
    ),
    Way(
        "Mattermost", ("mmosts", "mmost"), "mmosts://mattermost.example.com/TOKEN", "The token of an incoming webhook."
    ),
    Way("Telegram", ("tgram",), "tgram://BOT_TOKEN/CHAT", "The token that BotFather gave, and the chat's number."),
    Way("ntfy", ("ntfys", "ntfy"), "ntfys://ntfy.sh/TOPIC", "The server, and a topic that nobody guesses."),
    Way(
        "A program of your own",
        ("jsons", "json"),
        "jsons://hooks.example.com/path?+Authorization=Bearer%20TOKEN",
        "It is sent JSON by POST. What begins with + is a header.",
    ),
)


@dataclass(frozen=True)
class Told:
    """An alert as the page shows it. brand: its name; posts: the address of those that it is about, if there are."""

    incident: Incident
    finding: Finding
    rule: Rule
    brand: str
    examples: Sequence[Listed]
    posts: str | None
    acknowledged_by: str


@blueprint.get("/app/alerts")
@requires(Role.viewer)
def alerts() -> str:
    chosen, house = brands.chosen(), services()
    about = chosen if chosen and request.args.get("about") == "brand" else None
    query, now = _asked(), datetime.now(UTC)
    with house.database.read() as session:
        brand_id = about.id if about else None
        still = incidents.page(session, "open", brand_id, None, MOST_OPEN)
        past = incidents.page(session, "resolved", brand_id, query.after_number, PAST + 1)
        last = past[PAST - 1][0] if len(past) > PAST else None
        watched = rules.views(session)
        return render_template(
            "alerts.html",
            about=about,
            still=[_told(session, *row) for row in still],
            past=[_told(session, *row) for row in past[:PAST]],
            next_cursor=last and encode_cursor(last.opened_at, str(last.id)),
            names=_names(),
            rules=[rule for rule in watched if about is None or rule.brand_id in (None, about.id)],
            unknown=_unknown(watched, about),
            people=_people(session),
            ways=_ways(house.settings.notify_schemes),
            form=_form(watched),
            kinds=[rules.kind_view(name) for name in WATCHED],
            watched=WATCHED,
            stands=STANDS,
            now=now,
        )


def _asked() -> CountedPageQuery:
    try:
        return CountedPageQuery(limit=PAST, cursor=request.args.get("cursor"))
    except ValidationError:
        raise BadRequest("the address says something of the cursor that means nothing here") from None


def _names() -> dict[int, str]:
    return {brand.id: brand.name for brand in brands.all_of_them()}


def _told(session: Session, incident: Incident, rule: Rule) -> Told:
    found = Finding.of(incident.finding)
    by = incident.acknowledged_by
    return Told(
        incident,
        found,
        rule,
        _names().get(incident.brand_id or 0, ""),
        listing.of_ids(session, found.post_ids[:EXAMPLES]) if incident.resolved_at is None else (),
        _posts(incident, found, rule),
        keys.names(session, {by}).get(by, by) if by else "",
    )


def _posts(incident: Incident, found: Finding, rule: Rule) -> str | None:
    """Of the time that it is about; the negative ones where that is what it is about."""
    if incident.brand_id is None:
        return None
    until = (incident.resolved_at or incident.seen_at) + HOUR
    sentiment = "negative" if rule.kind == "negative_share" else None
    return posts_link(incident.brand_id, since=found.since, until=until, sentiment=sentiment)


def _unknown(watched: Sequence[RuleView], about: Choice | None) -> list[str]:
    """Brands of which some rule could say nothing."""
    ids = {brand_id for rule in watched if rule.is_enabled for brand_id in rule.unknown_brands}
    return sorted(
        name for brand_id, name in _names().items() if brand_id in ids and (about is None or about.id == brand_id)
    )


def _people(session: Session) -> list[RecipientView] | None:
    """None: the reader's key may not know."""
    if g.role < Role.operator:
        return None
    return [RecipientView.of(one) for one in recipients.all_of_them(session)]


def _ways(allowed: str) -> list[Way]:
    return [way for way in WAYS if not {*way.schemes}.isdisjoint(allowed.split(","))]


def _form(watched: Sequence[RuleView]) -> dict[str, Any] | None:
    """What the form holds: a rule that the address names, or a new one; None where nobody asked for it."""
    asked = request.args.get("rule", "")
    if g.role < Role.operator or not asked:
        return None
    rule = next((one for one in watched if str(one.id) == asked), None)
    kind: KindView = rules.kind_view(rule.kind if rule else "negative_share")
    defaults = BrandOptions.model_validate({}).model_dump()
    return {
        "rule": rule,
        "kind": kind.kind,
        "options": {**defaults, **(rule.options if rule else {})},
        "cooldown_minutes": (rule.cooldown_s if rule else kind.cooldown_s) // 60,
        "quiet": (rule and rule.quiet) or {},
    }
