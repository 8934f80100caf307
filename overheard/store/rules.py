"""Rules: what is watched, as it was made, changed and snoozed; and those that every installation begins with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from overheard.alerts.life import Quiet
from overheard.alerts.rules import BrandKind, kind_of, options_of
from overheard.errors import Conflict, DataError, NotFound
from overheard.store import brands, incidents, watches
from overheard.store.tables.alerting import Rule

DEFAULTS: Final = {
    "Training failed": "training",
    "Feed unheard": "feed",
    "Source silent": "silence",
    "Worker missing": "worker",
    "Queue stuck": "queue",
    "Budget nearly spent": "budget",
    "Accuracy fell": "accuracy",
    "More negative posts": "negative_share",
    "Many more posts": "volume_spike",
}
"""Name -> kind. Each is made once: one that was deleted stays deleted."""
ADVICE: Final = "GET /rules lists them"


@dataclass(frozen=True)
class Told:
    """What somebody says of a rule. cooldown_s: None for what its kind has."""

    name: str
    kind: str
    brand_id: int | None = None
    options: Mapping[str, Any] | None = None
    quiet: Mapping[str, Any] | None = None
    cooldown_s: int | None = None
    is_enabled: bool = True


def ensure_defaults(session: Session, now: datetime) -> None:
    """The rules that every installation begins with, those of them that were never made here."""
    for name, kind in DEFAULTS.items():
        if watches.once(session, f"default:{name}", now) and _named(session, name) is None:
            session.add(_row(Told(name, kind), now))
    session.flush()


def _named(session: Session, name: str) -> Rule | None:
    return session.scalar(select(Rule).where(Rule.name == name))


def add(session: Session, told: Told, now: datetime) -> Rule:
    """Raises DataError for what its kind can't be told, NotFound for an unknown brand, Conflict for a name in use."""
    rule = _row(told, now)
    if told.brand_id is not None:
        brands.get(session, told.brand_id)
    session.add(rule)
    _flush(session, told.name)
    return rule


def _row(told: Told, now: datetime) -> Rule:
    kind, quiet = kind_of(told.kind), Quiet.of(told.quiet)
    options_of(told.kind, told.options or {})
    if told.brand_id is not None and not isinstance(kind, BrandKind):
        raise DataError(f"brand_id: a rule of kind {told.kind!r} watches the installation, not a brand")
    return Rule(
        name=told.name,
        kind=told.kind,
        brand_id=told.brand_id,
        options=dict(told.options or {}),
        quiet=quiet and quiet.kept(),
        cooldown_s=kind.cooldown_s if told.cooldown_s is None else told.cooldown_s,
        is_enabled=told.is_enabled,
        created_at=now,
        changed_at=now,
    )


def _flush(session: Session, name: str) -> None:
    try:
        session.flush()
    except IntegrityError:
        raise Conflict(f"another rule is called {name!r}") from None


def get(session: Session, rule_id: int) -> Rule:
    """Raises NotFound."""
    return _found(session.get(Rule, rule_id), rule_id)


def _found(rule: Rule | None, rule_id: int) -> Rule:
    if rule is None:
        raise NotFound("rule", str(rule_id), ADVICE)
    return rule


def everyone(session: Session) -> list[Rule]:
    """In the order in which they were made."""
    return list(session.scalars(select(Rule).order_by(Rule.id)))


def enabled(session: Session) -> list[Rule]:
    return list(session.scalars(select(Rule).where(Rule.is_enabled).order_by(Rule.id)))


def change(session: Session, rule_id: int, values: Mapping[str, Any], now: datetime) -> Rule:
    """Set `name`, `options`, `quiet`, `cooldown_s`, `is_enabled` or `snoozed_until`.

    Disabling it ends its incidents, and nobody is told: it no longer looks. Raises NotFound, DataError, Conflict.
    """
    rule = _found(session.get(Rule, rule_id, with_for_update=True), rule_id)
    changed = dict(values)
    if "options" in changed:
        options_of(rule.kind, changed["options"])
    if "quiet" in changed:
        quiet = Quiet.of(changed["quiet"])
        changed["quiet"] = quiet and quiet.kept()
    for name, value in changed.items():
        setattr(rule, name, value)
    rule.changed_at = now
    _flush(session, rule.name)
    if not rule.is_enabled:
        incidents.drop(session, rule.id, now)
    return rule


def remove(session: Session, rule_id: int) -> None:
    """Delete a rule with its incidents. Raises NotFound."""
    if not session.execute(delete(Rule).where(Rule.id == rule_id)).rowcount:  # type: ignore[attr-defined]
        raise NotFound("rule", str(rule_id), ADVICE)
