"""A notice becomes a message: what, how sure, since when, examples, what to do, where to read on."""

import hashlib
import hmac
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from overheard.alerts import charts
from overheard.alerts.finding import Finding
from overheard.alerts.message import Chart, Message
from overheard.alerts.wording import MAX_EXAMPLE_CHARS, cut, harmless, moment, span, subject
from overheard.store.tables.alerting import Incident, Notice, Recipient, Rule
from overheard.store.tables.heard import Brand, Post

if TYPE_CHECKING:
    from jinja2 import Environment

EXAMPLES: Final = 3
BEFORE: Final = timedelta(days=2)
"""So much of what was before is drawn with an alert."""
MAX_BRIEF_PART: Final = 160
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class House:
    """What messages are made with. secret: of the installation. public_url: None: no links."""

    secret: bytes
    public_url: str | None


@dataclass(frozen=True)
class Example:
    """A post, as it is now. url: empty when its platform gave none that may be followed."""

    id: int
    text: str
    source: str
    posted_at: datetime
    url: str


def compose(session: Session, house: House, notice: Notice, now: datetime) -> Message:
    """Posts are looked up now: one that was erased since is not told."""
    recipient = session.get_one(Recipient, notice.recipient_id)
    if notice.kind == "digest":
        from overheard.alerts import digest  # it is made with what is here

        return digest.message(session, house, notice.body or {}, message_id(house, notice), recipient.name)
    if notice.incident_id is None:
        return _test(house, notice, recipient)
    return _alert(session, house, notice, recipient, now)


def message_id(house: House, notice: Notice, kind: str | None = None) -> str:
    """The same for each attempt, another for each notice of each installation; nobody else can guess it.

    kind: of another notice of the same subject: what a resolved incident's mail answers.
    """
    told = f"notice:{notice.recipient_id}:{kind or notice.kind}:{notice.subject}"
    digest = hmac.new(house.secret, told.encode(), hashlib.sha256).hexdigest()[:32]
    return f"overheard.{kind or notice.kind}.{digest}"


def render(template: str, **told: Any) -> str:
    return _templates().get_template(template).render(**told)


@cache
def _templates() -> "Environment":
    """HTML escapes all that is put into it; undefined names are errors."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    templates = Environment(
        loader=PackageLoader("overheard.alerts"),
        autoescape=select_autoescape(["html"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters |= {"moment": moment, "span": span}
    return templates


def examples(session: Session, post_ids: Sequence[int]) -> list[Example]:
    """At most EXAMPLES of them, in their order; of those that are kept."""
    found = {post.id: post for post in session.scalars(select(Post).where(Post.id.in_(post_ids)))}
    kept = [found[post_id] for post_id in post_ids if post_id in found][:EXAMPLES]
    return [
        Example(post.id, cut(post.text, MAX_EXAMPLE_CHARS), post.source, post.posted_at, _followable(post.details))
        for post in kept
    ]


def _followable(details: Mapping[str, Any]) -> str:
    url = str(details.get("url", ""))
    return url if url.startswith(("https://", "http://")) else ""


def links(house: House, paths: Mapping[str, str] | None) -> dict[str, str]:
    """name -> where it leads; without a public address only what is no path of ours."""
    base = (house.public_url or "").rstrip("/")
    said = {name: base + path if base and path.startswith("/") else path for name, path in (paths or {}).items()}
    return {name: url for name, url in said.items() if url.startswith(("https://", "http://"))}


def _alert(session: Session, house: House, notice: Notice, recipient: Recipient, now: datetime) -> Message:
    incident = session.get_one(Incident, notice.incident_id)
    rule, finding = session.get_one(Rule, incident.rule_id), Finding.of(incident.finding)
    brand = session.get(Brand, incident.brand_id) if incident.brand_id else None
    ended_at = incident.resolved_at if notice.kind == "resolved" else None
    until = ended_at or now
    chart = _chart(session, brand, min(finding.since, until), until) if brand else None
    told: dict[str, Any] = {
        "kind": notice.kind,
        "finding": finding,
        "brand": brand.name if brand else "",
        "rule": rule.name,
        "recipient": recipient.name,
        "examples": examples(session, finding.post_ids),
        "links": links(house, finding.links),
        "ended_at": ended_at,
        "lasted": span(until - finding.since),
        "chart": chart,
    }
    title = f"Resolved: {finding.title}" if ended_at else finding.title
    return Message(
        id=message_id(house, notice),
        thread=message_id(house, notice, "opened") if notice.kind == "resolved" else "",
        subject=subject(title),
        text=render("alert.txt", title=title, **told),
        html=render("alert.html", title=title, **told),
        brief=_brief(told),
        facts=_facts(notice, incident, told),
        chart=chart,
    )


def _chart(session: Session, brand: Brand, begun: datetime, until: datetime) -> Chart | None:
    """An alert goes out, whatever is wrong with its picture."""
    try:
        return charts.of_brand(session, brand.id, brand.name, begun - BEFORE, until, begun)
    except Exception:
        log.exception("no chart of brand %d", brand.id)
        return None


def _brief(told: Mapping[str, Any]) -> str:
    """For a chat: its title is said already."""
    finding: Finding = told["finding"]
    lines = [finding.said, f"Since {moment(finding.since)} ({told['lasted']})"]
    if told["ended_at"]:
        lines[1] = f"From {moment(finding.since)} to {moment(told['ended_at'])} ({told['lasted']})"
    if finding.words:
        lines.append("Words: " + ", ".join(finding.words))
    lines += [f"“{cut(example.text, MAX_BRIEF_PART)}” {example.url}".rstrip() for example in told["examples"]]
    if not told["ended_at"]:
        lines.append(f"What to do: {finding.advice}")
    return "\n".join([*map(harmless, lines), *told["links"].values()])


def _facts(notice: Notice, incident: Incident, told: Mapping[str, Any]) -> dict[str, Any]:
    """For a webhook."""
    shown = [
        {"id": one.id, "text": one.text, "source": one.source, "posted_at": one.posted_at.isoformat(), "url": one.url}
        for one in told["examples"]
    ]
    return {
        "kind": notice.kind,
        "incident_id": incident.id,
        "rule": told["rule"],
        "brand": told["brand"] or None,
        **incident.finding,
        "opened_at": incident.opened_at.isoformat(),
        "resolved_at": incident.resolved_at and incident.resolved_at.isoformat(),
        "links": told["links"],
        "examples": shown,
    }


def _test(house: House, notice: Notice, recipient: Recipient) -> Message:
    told = {"title": "This is a test", "recipient": recipient.name, "links": links(house, {"dashboard": "/"})}
    brief = f"Notices reach the recipient {recipient.name!r}. Nothing is wrong, and there is nothing to do."
    return Message(
        id=message_id(house, notice),
        subject=subject("This is a test"),
        text=render("test.txt", said=brief, **told),
        html=render("test.html", said=brief, **told),
        brief=harmless(brief),
        facts={"kind": notice.kind, "title": told["title"]},
    )
