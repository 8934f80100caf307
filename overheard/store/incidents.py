"""Incidents: opened once, seen again, resolved once, whoever looks and however often; and what people say of them.

One who opens or resolves an incident announces it in the same transaction, so nobody is told twice or never.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from overheard.alerts.facts import Verdict
from overheard.alerts.finding import Finding
from overheard.alerts.life import Past, Quiet, Step, step, tell_at
from overheard.alerts.rules import options_of
from overheard.errors import Conflict, NotFound
from overheard.store import outbox
from overheard.store.dialect import inserting
from overheard.store.tables.alerting import Incident, Notice, Rule

State = Literal["open", "resolved"]
ADVICE: Final = "GET /alerts lists them"


@dataclass(frozen=True)
class Outcome:
    """What a look changed."""

    opened: int = 0
    resolved: int = 0
    told: int = 0

    def plus(self, other: "Outcome") -> "Outcome":
        return Outcome(self.opened + other.opened, self.resolved + other.resolved, self.told + other.told)


def open_since(session: Session, rule_id: int) -> dict[str, datetime]:
    """Key -> since when, of a rule's open incidents."""
    query = select(Incident.key, Incident.opened_at).where(Incident.rule_id == rule_id, Incident.resolved_at.is_(None))
    return dict(session.execute(query).all())


def settle(session: Session, rule: Rule, verdict: Verdict, now: datetime) -> Outcome:
    """Open, keep and resolve the incidents of a rule as its verdict says, and announce what begins and ends."""
    options, outcome = options_of(rule.kind, rule.options), Outcome()
    found = {finding.key: finding for finding in verdict.found}
    pasts = _pasts(session, rule.id, now - timedelta(seconds=rule.cooldown_s))
    for key in sorted(found.keys() | {key for key, past in pasts.items() if past.seen_at}):
        happens = step(
            pasts.get(key, Past()),
            is_found=key in found,
            is_unknown=key in verdict.unknown,
            now=now,
            calm_s=options.calm_s,
            cooldown_s=rule.cooldown_s,
        )
        if happens is Step.open and not (rule.snoozed_until and rule.snoozed_until > now):
            outcome = outcome.plus(_open(session, rule, found[key], now))
        elif happens is Step.keep:
            _see(session, rule.id, key, found.get(key), now)
        elif happens is Step.resolve:
            outcome = outcome.plus(_resolve(session, rule, key, now))
    return outcome


def _pasts(session: Session, rule_id: int, since: datetime) -> dict[str, Past]:
    """Of all keys of which it has an incident that is open, or ended since then."""
    mine = select(Incident.key, Incident.resolved_at, Incident.seen_at).where(Incident.rule_id == rule_id)
    still = mine.where(Incident.resolved_at.is_(None))
    ended = select(Incident.key, func.max(Incident.resolved_at)).where(
        Incident.rule_id == rule_id, Incident.resolved_at > since
    )
    pasts = {key: Past(resolved_at=at) for key, at in session.execute(ended.group_by(Incident.key))}
    return pasts | {key: Past(seen_at=seen_at) for key, _, seen_at in session.execute(still)}


def _open(session: Session, rule: Rule, finding: Finding, now: datetime) -> Outcome:
    row = {
        "rule_id": rule.id,
        "brand_id": finding.brand_id,
        "key": finding.key,
        "finding": finding.as_dict(),
        "opened_at": now,
        "seen_at": now,
        "acknowledged_by": "",
    }
    opened = session.scalar(inserting(session, Incident).values(row).on_conflict_do_nothing().returning(Incident.id))
    if opened is None:
        return Outcome()  # another look was faster
    due_at = tell_at(now, Quiet.of(rule.quiet))
    told = outbox.announce(session, session.get_one(Incident, opened), "opened", now, due_at)
    return Outcome(opened=1, told=told)


def _see(session: Session, rule_id: int, key: str, finding: Finding | None, now: datetime) -> None:
    """It goes on. What was read of its texts when it was opened stays."""
    incident = session.scalar(select(Incident).where(_open_one(rule_id, key)).with_for_update())
    if incident is not None:
        incident.seen_at = now
        if finding is not None:
            first = Finding.of(incident.finding)
            kept = replace(finding, since=first.since, words=finding.words or first.words, post_ids=first.post_ids)
            incident.finding = kept.as_dict()


def _resolve(session: Session, rule: Rule, key: str, now: datetime) -> Outcome:
    ended = update(Incident).where(_open_one(rule.id, key)).values(resolved_at=now).returning(Incident.id)
    resolved = session.scalar(ended)
    if resolved is None:
        return Outcome()
    incident = session.get_one(Incident, resolved, populate_existing=True)
    if _take_back(session, incident.id, now):
        return Outcome(resolved=1)
    due_at = tell_at(now, Quiet.of(rule.quiet), incident.snoozed_until)
    return Outcome(resolved=1, told=outbox.announce(session, incident, "resolved", now, due_at))


def _take_back(session: Session, incident_id: int, now: datetime) -> bool:
    """Delete what nobody was told yet, because of quiet hours or a snooze: then nobody need know that it is over."""
    opened = (Notice.incident_id == incident_id, Notice.kind == "opened")
    waiting = (Notice.sent_at.is_(None), Notice.attempts == 0, Notice.due_at > now)
    taken = session.execute(delete(Notice).where(*opened, *waiting)).rowcount  # type: ignore[attr-defined]
    return bool(taken) and session.scalar(select(Notice.id).where(*opened).limit(1)) is None


def drop(session: Session, rule_id: int, now: datetime) -> None:
    """Nobody looks any more: a rule's incidents end, and nobody is told."""
    still = (Incident.rule_id == rule_id, Incident.resolved_at.is_(None))
    for incident_id in session.scalars(update(Incident).where(*still).values(resolved_at=now).returning(Incident.id)):
        _take_back(session, incident_id, now)


def _open_one(rule_id: int, key: str) -> ColumnElement[bool]:
    return and_(Incident.rule_id == rule_id, Incident.key == key, Incident.resolved_at.is_(None))


def get(session: Session, incident_id: int) -> tuple[Incident, Rule]:
    """With its rule. Raises NotFound."""
    query = select(Incident, Rule).join(Rule, Rule.id == Incident.rule_id).where(Incident.id == incident_id)
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFound("alert", str(incident_id), ADVICE)
    return row[0], row[1]


def page(
    session: Session, state: State | None, brand_id: int | None, after: tuple[datetime, int] | None, limit: int
) -> list[tuple[Incident, Rule]]:
    """Newest first; `after` is (opened_at, id) of the last that the caller has."""
    query = select(Incident, Rule).join(Rule, Rule.id == Incident.rule_id)
    if state is not None:
        query = query.where(Incident.resolved_at.is_(None) if state == "open" else Incident.resolved_at.is_not(None))
    if brand_id is not None:
        query = query.where(Incident.brand_id == brand_id)
    if after:
        at, incident_id = after
        older = (Incident.opened_at == at) & (Incident.id < incident_id)
        query = query.where(or_(Incident.opened_at < at, older))
    rows = session.execute(query.order_by(Incident.opened_at.desc(), Incident.id.desc()).limit(limit))
    return [(incident, rule) for incident, rule in rows]


def acknowledge(session: Session, incident_id: int, by: str, now: datetime) -> None:
    """Somebody has seen it; the first who says so is kept. Raises NotFound."""
    get(session, incident_id)
    unseen = (Incident.id == incident_id, Incident.acknowledged_at.is_(None))
    session.execute(update(Incident).where(*unseen).values(acknowledged_at=now, acknowledged_by=by))


def snooze(session: Session, incident_id: int, until: datetime) -> None:
    """Nobody is told before then what was not told yet. Raises NotFound; Conflict when it has ended."""
    incident, _ = get(session, incident_id)
    if incident.resolved_at is not None:
        raise Conflict(f"alert {incident_id} is resolved: there is nothing to snooze")
    incident.snoozed_until = until
    waiting = (Notice.incident_id == incident_id, Notice.sent_at.is_(None), Notice.due_at < until)
    session.execute(update(Notice).where(*waiting).values(due_at=until))


def count_open(session: Session) -> dict[str, int]:
    """Kind of rule -> open incidents."""
    counted = select(Rule.kind, func.count()).join(Incident, Incident.rule_id == Rule.id)
    rows = session.execute(counted.where(Incident.resolved_at.is_(None)).group_by(Rule.kind))
    return dict(rows.all())


def count_open_of_rules(session: Session) -> dict[int, int]:
    """Rule's id -> open incidents."""
    counted = select(Incident.rule_id, func.count()).where(Incident.resolved_at.is_(None)).group_by(Incident.rule_id)
    return dict(session.execute(counted).all())
