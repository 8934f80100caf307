"""A rule played over what is stored, hour by hour: when it would have fired, before it is enabled.

The same functions decide as at a live look; only texts are not read, so words and examples are not told.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from overheard.aggregates import HOUR
from overheard.alerts import mood, volume
from overheard.alerts.facts import BrandFacts, Flags, Integers
from overheard.alerts.finding import Finding
from overheard.alerts.life import Past, Step, step
from overheard.alerts.options import BrandOptions
from overheard.alerts.rules import BrandKind, kind_of, options_of
from overheard.errors import DataError

MONTH: Final = timedelta(days=30)
NO_HISTORY: Final = "no history is kept of what it looks at"
WHY_NOT: Final[Mapping[str, str]] = {
    "topic": "it would read the texts of each day anew",
    "silence": "it looks at the present only",
    "feed": "only gaps are kept of how feeds did: GET /feeds/{feed_id}/gaps lists them",
    "training": "GET /jobs?state=failed lists the trainings that failed",
    "accuracy": "GET /schedules/accuracy-check lists what past checks found",
}
"""Kinds that can't be rehearsed, and what there is instead."""


@dataclass(frozen=True)
class Fired:
    """One time that it would have fired. until: when it would have been resolved; None: it is open at the end."""

    since: datetime
    until: datetime | None
    title: str
    said: str


@dataclass(frozen=True)
class Rehearsal:
    """fired: the oldest first. per_month: of 30 days. hours: that were played; open_hours: in which it was open;
    unknown_hours: in which it could say nothing, for a gap or for want of a past to compare with."""

    fired: tuple[Fired, ...]
    per_month: float
    hours: int
    open_hours: int
    unknown_hours: int


@dataclass(frozen=True)
class _Looks:
    """Of a kind, at the ends of all hours played (L,). is_true, tell: of a look, by its number and hour.

    goes_on: at the end of an hour, of what began in the hour `opened`: (found, unknown).
    """

    is_up: Flags
    is_unknown: Flags
    is_true: Callable[[int, int], bool]
    tell: Callable[[int, int], Finding]
    goes_on: Callable[[int, int], tuple[bool, bool]]


def is_possible(kind: str) -> bool:
    """Whether what a kind looks at is stored."""
    return kind in _KINDS


def check(kind: str) -> None:
    """Raises DataError for a kind that can't be rehearsed, and says why."""
    kind_of(kind)
    if not is_possible(kind):
        raise DataError(f"kind: {kind} can't be rehearsed: {WHY_NOT.get(kind, NO_HISTORY)}")


def rehearse(
    facts: BrandFacts,
    kind: str,
    said: Mapping[str, Any],
    since: datetime,
    until: datetime,
    cooldown_s: int | None = None,
) -> Rehearsal:
    """Play a rule from `since` to `until`, each hour seen at its end. facts: with the weeks before, to compare with.

    Raises DataError for a kind that can't be rehearsed, and for options that it does not take.
    """
    check(kind)
    options, rule = options_of(kind, said), kind_of(kind)
    if not isinstance(options, BrandOptions) or not isinstance(rule, BrandKind):
        raise DataError(f"kind: {kind} is not about a brand")
    first, last = max(facts.counts.place(since), 0), min(facts.counts.place(until), len(facts.counts)) - 1
    at = np.arange(first, last + 1)
    looks = _KINDS[kind](facts, at, options)
    cools = timedelta(seconds=rule.cooldown_s if cooldown_s is None else cooldown_s)
    return _summed(facts, looks, at, list(_play(facts, looks, at, options.calm_s, int(cools.total_seconds()))))


@dataclass(frozen=True)
class _Time:
    """Hours in which it was opened and resolved (None: not yet), and what it said."""

    opened: int
    resolved: int | None
    finding: Finding


def _play(facts: BrandFacts, looks: _Looks, at: Integers, calm_s: int, cooldown_s: int) -> Iterator[_Time]:
    resolved: int | None = -1
    past = Past()
    for place in np.flatnonzero(looks.is_up):
        hour = int(at[place])
        now = facts.counts.start(hour + 1)
        if resolved is None:
            return
        happens = step(past, is_found=True, is_unknown=False, now=now, calm_s=calm_s, cooldown_s=cooldown_s)
        if hour <= resolved or happens is not Step.open or not looks.is_true(int(place), hour):
            continue
        resolved = _end(facts, looks, hour, int(at[-1]), calm_s)
        yield _Time(hour, resolved, looks.tell(int(place), hour))
        if resolved is not None:
            past = Past(resolved_at=facts.counts.start(resolved + 1))


def _end(facts: BrandFacts, looks: _Looks, opened: int, last: int, calm_s: int) -> int | None:
    """The hour in which what began in `opened` is resolved."""
    seen_at = facts.counts.start(opened + 1)
    for hour in range(opened + 1, last + 1):
        now = facts.counts.start(hour + 1)
        is_up, is_unknown = looks.goes_on(hour, opened)
        happens = step(Past(seen_at), is_found=is_up, is_unknown=is_unknown, now=now, calm_s=calm_s, cooldown_s=0)
        if happens is Step.resolve:
            return hour
        if happens is Step.keep:
            seen_at = now
    return None


def _summed(facts: BrandFacts, looks: _Looks, at: Integers, times: list[_Time]) -> Rehearsal:
    start = facts.counts.start
    fired = tuple(
        Fired(
            start(one.opened + 1),
            None if one.resolved is None else start(one.resolved + 1),
            one.finding.title,
            one.finding.said,
        )
        for one in times
    )
    last = int(at[-1]) if len(at) else 0
    open_hours = sum((last if one.resolved is None else one.resolved) - one.opened for one in times)
    per_month = len(fired) * (MONTH / HOUR) / max(len(at), 1)
    return Rehearsal(fired, round(per_month, 2), len(at), open_hours, int(looks.is_unknown.sum()))


def _mood(facts: BrandFacts, at: Integers, options: BrandOptions) -> _Looks:
    seen = mood.look(facts.counts, at, options)

    def goes_on(hour: int, opened: int) -> tuple[bool, bool]:
        again = mood.look_again(facts.counts, hour, opened, options)
        return bool(again.is_up[0]), bool(again.is_unknown[0])

    return _Looks(
        seen.is_up,
        seen.is_unknown,
        is_true=lambda place, hour: mood.is_confirmed(facts, seen, place, hour),
        tell=lambda place, hour: mood.finding(facts, seen, place, hour),
        goes_on=goes_on,
    )


def _volume(facts: BrandFacts, at: Integers, options: BrandOptions) -> _Looks:
    seen = volume.look(facts.counts, at, options)

    def goes_on(hour: int, opened: int) -> tuple[bool, bool]:
        again = volume.look(facts.counts, np.array([hour]), options, opened)
        return bool(again.is_up[0]), bool(again.is_unknown[0])

    return _Looks(
        seen.is_up,
        seen.is_unknown,
        is_true=lambda place, hour: True,
        tell=lambda place, hour: volume.finding(facts, seen, place, hour),
        goes_on=goes_on,
    )


_KINDS: Final[Mapping[str, Callable[[BrandFacts, Integers, BrandOptions], _Looks]]] = {
    "negative_share": _mood,
    "volume_spike": _volume,
}
