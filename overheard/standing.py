"""How rules stand: what each said at its last look. Where it could say nothing, that is not calm."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy.orm import Session

from overheard.alerts.rules import BrandKind, kind_of
from overheard.settings import Settings
from overheard.store import brands, incidents, rules, watches
from overheard.store.tables.alerting import Rule, Watch
from overheard.watching import BRANDS_EVERY, OVERDUE, SLOW_EVERY


class How(StrEnum):
    """found: an alert of it is open; unknown: nothing is open, and that says nothing; idle: there is no brand yet."""

    off = "off"
    snoozed = "snoozed"
    found = "found"
    unknown = "unknown"
    idle = "idle"
    calm = "calm"


@dataclass(frozen=True)
class Standing:
    """looked_at: None before the first look. unknown: brands of which it could say nothing then."""

    how: How
    open_alerts: int
    looked_at: datetime | None
    unknown: tuple[int, ...]


def of_rules(session: Session, settings: Settings, now: datetime) -> dict[int, Standing]:
    """Rule's id -> how it stands."""
    found = incidents.count_open_of_rules(session)
    listened = frozenset(brand.id for brand in brands.all_of_them(session))
    looks = {name: watches.last(session, name) for name in _PASSES}
    standings = {}
    for rule in rules.everyone(session):
        look, longest = looks[_pass_of(rule)], settings.watch_every_s * _PASSES[_pass_of(rule)] * OVERDUE
        is_seen = look is not None and look.at >= max(rule.changed_at, now - timedelta(seconds=longest))
        unknown = _unknown(rule, look) & listened
        how = _how(rule, found.get(rule.id, 0), now, is_known=is_seen and not unknown, has_brands=bool(listened))
        standings[rule.id] = Standing(how, found.get(rule.id, 0), look.at if look else None, tuple(sorted(unknown)))
    return standings


_PASSES: Final[Mapping[str, int]] = {watches.MACHINE: 1, watches.BRANDS: BRANDS_EVERY, watches.SLOW: SLOW_EVERY}
"""Who looks, and at each how manieth look of the timetable."""


def _pass_of(rule: Rule) -> str:
    kind = kind_of(rule.kind)
    if not isinstance(kind, BrandKind):
        return watches.MACHINE
    return watches.SLOW if kind.is_slow else watches.BRANDS


def _unknown(rule: Rule, look: Watch | None) -> frozenset[int]:
    return frozenset(look.facts.get(watches.UNKNOWN, {}).get(str(rule.id), ()) if look else ())


def _how(rule: Rule, found: int, now: datetime, *, is_known: bool, has_brands: bool) -> How:
    if not rule.is_enabled:
        return How.off
    if found:
        return How.found
    if rule.snoozed_until and rule.snoozed_until > now:
        return How.snoozed
    if not has_brands and _pass_of(rule) != watches.MACHINE:
        return How.idle
    return How.calm if is_known else How.unknown
