"""A brand, a rule and its incidents for the tests, as the store keeps them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from overheard.alerts.finding import Finding
from overheard.brands import Spec
from overheard.store import brands, outbox
from overheard.store.tables.alerting import Incident, Rule

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
CRISIS = Finding(
    key="negative",
    title="Negative posts about Acme are up: 41 % of 120",
    said="38 to 45 % negative in the last 3 h (95 %), 12 to 15 % in the week before.",
    since=NOW - timedelta(hours=3),
    advice="Read the newest negative posts, then tell support.",
    words=("battery", "recall"),
    links={"posts": "/posts?sentiment=negative"},
)


def add_brand(session: Session, name: str = "Acme", now: datetime = NOW) -> int:
    return brands.add(session, name, Spec(), now)[0].id


def add_rule(session: Session, name: str = "more negative posts", now: datetime = NOW) -> int:
    rule = Rule(
        name=name, kind="negative_share", options={}, cooldown_s=0, is_enabled=True, created_at=now, changed_at=now
    )
    session.add(rule)
    session.flush()
    return rule.id


def open_incident(
    session: Session, rule_id: int, brand_id: int | None = None, now: datetime = NOW, **finding: Any
) -> Incident:
    """With its notices, in the caller's transaction, as whoever finds something does."""
    found = replace(CRISIS, brand_id=brand_id, **finding)
    incident = Incident(
        rule_id=rule_id, brand_id=brand_id, key=found.key, finding=found.as_dict(), opened_at=now, seen_at=now
    )
    session.add(incident)
    session.flush()
    outbox.announce(session, incident, "opened", now, now)
    return incident


def resolve(session: Session, incident_id: int, now: datetime) -> None:
    incident = session.get_one(Incident, incident_id)
    incident.resolved_at = now
    session.flush()
    outbox.announce(session, incident, "resolved", now, now)
