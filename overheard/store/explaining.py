"""What is worth reading texts for, once a rule has found something: which words grew, why, and examples."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from overheard import words
from overheard.aggregates import HOUR
from overheard.alerts.facts import Topics
from overheard.alerts.finding import Finding
from overheard.movement import Split
from overheard.scoring.bundle import LABELS
from overheard.store import hours, movements, sampled
from overheard.store.movements import Period
from overheard.words import Grown, Said

BEFORE: Final = timedelta(days=7)
WORDS: Final = 6
EXAMPLES: Final = 5
TEXTS: Final = 2_000
"""Posts of a period that are read."""
MOSTLY: Final = 0.5


def topics_of(session: Session, brand_id: int, now: datetime) -> Topics:
    """What grew in all posts of the last day, against the week before it."""
    posts, grown, _ = _grown(session, brand_id, hours.start(now) + HOUR - timedelta(days=1), now)
    return Topics(posts, grown)


def explain(session: Session, kind: str, finding: Finding, now: datetime) -> Finding | None:
    """The finding with words and examples, if it is about a brand. None: another model version explains it."""
    if finding.brand_id is None or kind not in ("negative_share", "volume_spike", "topic"):
        return finding
    if kind == "negative_share":
        return _why_negative(session, finding.brand_id, finding, now)
    _, grown, examples = _grown(session, finding.brand_id, finding.since, now)
    return replace(finding, words=finding.words or _told(grown), post_ids=examples)


def _why_negative(session: Session, brand_id: int, finding: Finding, now: datetime) -> Finding | None:
    before, after = Period(finding.since - BEFORE, finding.since), Period(finding.since, now + HOUR)
    moved = movements.why(session, brand_id, before, after)
    if moved.split and moved.split.model and moved.split.model.value > MOSTLY * moved.split.change.value:
        return None
    said = finding.said + (_of_mix(moved.split) if moved.split else "")
    grown = sorted((*moved.topics, *moved.words), key=lambda one: -one.z)
    return replace(finding, said=said, words=_told(grown), post_ids=moved.examples)


def _of_mix(split: Split) -> str:
    """A sentence where more posts from other sources are most of a change."""
    if split.mix.value <= MOSTLY * split.change.value:
        return ""
    source = max(split.sources, key=lambda one: one.mix).source
    return f" Mostly because more of the posts come from {source}, where more are negative."


def _grown(
    session: Session, brand_id: int, since: datetime, now: datetime
) -> tuple[int, tuple[Grown, ...], tuple[int, ...]]:
    """Posts that were read since then, what grew in them, and ids of examples."""
    first = hours.start(since)
    before, after = (
        words.without_repeats(_said(session, brand_id, begin, end))
        for begin, end in ((first - BEFORE, first), (first, now + HOUR))
    )
    found: list[Grown] = []
    for terms in (words.topics, words.words):
        old, new = ([terms(one.text) for one in some] for some in (before, after))
        found += words.grown(old, new)
    found.sort(key=lambda one: -one.z)
    return len(after), tuple(found), tuple(words.examples(after, found, EXAMPLES))


def _said(session: Session, brand_id: int, since: datetime, until: datetime) -> list[Said]:
    negative = LABELS.index("negative")
    read = sampled.posts(session, brand_id, since, until, TEXTS)
    return [Said(post.id, post.text, post.author, post.reach, post.scores[negative]) for post in read]


def _told(grown: list[Grown] | tuple[Grown, ...]) -> tuple[str, ...]:
    """The surest, but no word of a pair that is told."""
    told: list[str] = []
    for one in grown:
        if not any(one.text in other.split() for other in told):
            told.append(one.text)
    return tuple(told[:WORDS])
