"""A feed is not heard: it fails, somebody must mend it, or it is far behind."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from overheard.aggregates import HOUR
from overheard.alerts.facts import FeedFacts, MachineFacts, Open, Verdict
from overheard.alerts.finding import Finding
from overheard.alerts.options import Options, Sensitivity


@dataclass(frozen=True)
class Strictness:
    """failures: inspections in a row. behind: since everything was read, beside three of its inspections."""

    failures: int
    behind: timedelta


STRICTNESS: Final[dict[Sensitivity, Strictness]] = {
    "low": Strictness(5, timedelta(hours=6)),
    "medium": Strictness(3, timedelta(hours=2)),
    "high": Strictness(1, timedelta(minutes=30)),
}


def feed_unheard(facts: MachineFacts, options: Options, opened: Open) -> Verdict:
    """A feed whose inspections fail, that somebody must mend, or that is far behind."""
    strictness = STRICTNESS[options.sensitivity]
    return Verdict(tuple(found for feed in facts.feeds for found in _look(feed, facts, strictness)))


def _look(feed: FeedFacts, facts: MachineFacts, strictness: Strictness) -> Iterator[Finding]:
    if feed.state == "paused":
        return
    late = facts.now - feed.heard_all_at
    if feed.state == "refused" or (feed.state == "down" and feed.failures >= strictness.failures):
        times = f"{feed.failures} inspections in a row failed" if feed.failures > 1 else "The last inspection failed"
        yield _found(feed, "fails", f"{times}: {feed.problem}")
    elif not feed.is_pushed and late >= strictness.behind + 3 * feed.every:
        reason = f": {feed.problem}" if feed.problem else "; nobody has come to its end since"
        yield _found(feed, "is behind", f"Everything was last read {late // HOUR} hours ago{reason}")


def _found(feed: FeedFacts, does: str, said: str) -> Finding:
    whose = f" of {feed.brand}" if feed.brand else ""
    return Finding(
        feed.key,
        f"Feed {feed.name}{whose} {does}",
        f"{said.rstrip('.')}. What is said there meanwhile is unknown: silence is not calm.",
        feed.heard_all_at,
        feed.advice or "See `overheard feeds list`; does its address still answer, and has it posts?",
        feed.brand_id,
        links={"feed": f"/feeds/{feed.id}", "gaps": f"/feeds/{feed.id}/gaps"},
    )
