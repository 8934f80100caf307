"""One look at what is watched: read the facts, let the rules decide, open and resolve incidents, tell who is to know.

Three passes, each claimed in the database so that one process does it: what the installation does (every look), what a
brand's hours count (every fourth), and what needs its texts or sources one by one (every twentieth).
"""

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from overheard.alerts.facts import BrandFacts, Seen, Verdict
from overheard.alerts.rules import BrandKind, MachineKind, kind_of, options_of
from overheard.settings import Settings
from overheard.store import brands, counted, explaining, incidents, machine, rules, watches
from overheard.store.database import Database
from overheard.store.incidents import Outcome
from overheard.store.tables.alerting import Rule
from overheard.store.tables.heard import Brand

BRANDS_EVERY: Final = 4
SLOW_EVERY: Final = 20
OVERDUE: Final = 4
"""So many looks late, nobody looks: whoever else can, does."""
EARLY: Final = 0.7
"""Ticks are not exact: one that comes a little early is not left out."""
BACK: Final = timedelta(days=36)
"""Of a brand's hours: four weeks, and a week that an incident's baseline may lie back."""
log = logging.getLogger(__name__)


def look(database: Database, settings: Settings, seen: Seen, now: datetime) -> Outcome:
    """What Beat's tick does: all passes that are due."""
    every = timedelta(seconds=settings.watch_every_s * EARLY)
    outcome = look_at_machine(database, settings, seen, now, every, by="tick") or Outcome()
    for name, times, is_slow in ((watches.BRANDS, BRANDS_EVERY, False), (watches.SLOW, SLOW_EVERY, True)):
        with database.write() as session:
            is_mine = watches.claim(session, name, now, every * times, "tick")
        if is_mine:
            outcome = outcome.plus(look_at_brands(database, now, is_slow=is_slow))
    return outcome


def is_overdue(session: Session, settings: Settings, now: datetime) -> bool:
    """Whether nobody looked at the installation for so long that somebody else should."""
    last = watches.last(session, watches.MACHINE)
    return last is None or now - last.at > timedelta(seconds=settings.watch_every_s * OVERDUE)


def stand_in(database: Database, settings: Settings, seen: Seen, now: datetime) -> Outcome | None:
    """What a watchdog does: looks at the installation when nobody did for long. None: somebody did."""
    overdue = timedelta(seconds=settings.watch_every_s * OVERDUE)
    return look_at_machine(database, settings, seen, now, overdue, by="watchdog")


def look_at_machine(
    database: Database, settings: Settings, seen: Seen, now: datetime, every: timedelta, by: str
) -> Outcome | None:
    """None: somebody looked within `every`."""
    with database.write() as session:
        if not watches.claim(session, watches.MACHINE, now, every, by):
            return None
        rules.ensure_defaults(session, now)
    with database.read() as session:
        last = watches.last(session, watches.MACHINE)
        facts, memory = machine.read(session, settings, seen, last.facts if last else {}, now)
        verdicts = {
            rule: kind.find(facts, options_of(rule.kind, rule.options), incidents.open_since(session, rule.id))
            for rule in rules.enabled(session)
            if isinstance(kind := kind_of(rule.kind), MachineKind)
        }
    with database.write() as session:
        watches.remember(session, watches.MACHINE, memory)
    return _settle(database, verdicts, now)


def look_at_brands(database: Database, now: datetime, *, is_slow: bool) -> Outcome:
    """A brand that can't be read is neither calm nor anything else, and does not keep others from being looked at."""
    verdicts: dict[Rule, Verdict] = defaultdict(Verdict)
    unknown: dict[str, list[int]] = defaultdict(list)
    with database.read() as session:
        mine = [rule for rule in rules.enabled(session) if _is_pass_of(rule, is_slow=is_slow)]
        all_brands = brands.all_of_them(session) if mine else []
        opened = {rule: incidents.open_since(session, rule.id) for rule in mine}
    for brand in all_brands:
        of_brand = [rule for rule in mine if rule.brand_id in (None, brand.id)]
        try:
            with database.read() as session:
                found = _verdicts(session, brand, of_brand, opened, now, is_slow=is_slow)
        except Exception:
            log.exception("brand %s could not be looked at", brand.id)
            found = {rule: Verdict(unknown=frozenset((f"brand:{brand.id}", *opened[rule]))) for rule in of_brand}
        for rule, verdict in found.items():
            verdicts[rule] = verdicts[rule].plus(verdict)
            if verdict.unknown and not verdict.found:
                unknown[str(rule.id)].append(brand.id)
    with database.write() as session:
        watches.remember(session, watches.SLOW if is_slow else watches.BRANDS, {watches.UNKNOWN: unknown})
    return _settle(database, verdicts, now)


def _is_pass_of(rule: Rule, *, is_slow: bool) -> bool:
    kind = kind_of(rule.kind)
    return isinstance(kind, BrandKind) and kind.is_slow == is_slow


def _verdicts(
    session: Session,
    brand: Brand,
    of_brand: list[Rule],
    opened: Mapping[Rule, Mapping[str, datetime]],
    now: datetime,
    *,
    is_slow: bool,
) -> dict[Rule, Verdict]:
    facts = counted.facts_of(session, brand, now, BACK)
    if is_slow:
        facts = _closer(session, facts, {rule.kind for rule in of_brand})
    found = {}
    for rule in of_brand:
        kind = kind_of(rule.kind)
        if isinstance(kind, BrandKind):
            options = kind.options.model_validate(rule.options)
            verdict = kind.find(facts, options, opened[rule])
            found[rule] = _explained(session, rule.kind, verdict, opened[rule], now)
    return found


def _closer(session: Session, facts: BrandFacts, kinds: set[str]) -> BrandFacts:
    """With what only slow rules look at."""
    if "topic" in kinds:
        facts = replace(facts, topics=explaining.topics_of(session, facts.brand_id, facts.now))
    if "silence" in kinds:
        facts = replace(facts, sources=counted.by_source(session, facts))
    return facts


def _explained(session: Session, kind: str, verdict: Verdict, opened: Mapping[str, datetime], now: datetime) -> Verdict:
    """What is new with its words and examples, or left out where only the model changed."""
    found = [
        finding if finding.key in opened else explaining.explain(session, kind, finding, now)
        for finding in verdict.found
    ]
    return replace(verdict, found=tuple(finding for finding in found if finding is not None))


def _settle(database: Database, verdicts: Mapping[Rule, Verdict], now: datetime) -> Outcome:
    """A short transaction per rule that has anything to say."""
    outcome = Outcome()
    for rule, verdict in verdicts.items():
        with database.read() as session:
            is_idle = not verdict.found and not incidents.open_since(session, rule.id)
        if not is_idle:
            with database.write() as session:
                outcome = outcome.plus(incidents.settle(session, rule, verdict, now))
    return outcome
