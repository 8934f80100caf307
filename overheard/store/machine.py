"""What the database knows of the installation, for the rules that watch it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from overheard import sources
from overheard.alerts.facts import Failed, FeedFacts, MachineFacts, Queue, Seen
from overheard.budget import BUDGETED, Forecast, budget_of, forecast
from overheard.settings import Settings
from overheard.sources import Source
from overheard.store import falls, inspections, trainings, unscored
from overheard.store.jobs import UNFINISHED
from overheard.store.tables.heard import Brand, Feed, Post, Unscored
from overheard.store.tables.work import Job

EXPECTED: Final = ("scoring", "housekeeping")
"""Kinds of workers that no installation can do without."""
TRAINER: Final = "training"
TRAINERS_EXPECTED: Final = timedelta(days=7)
"""Where a training worker lived, one is expected for so long."""
MOST_FAILED: Final = 20
Memory = Mapping[str, Any]
"""What was seen at looks before, for JSON: since when what is missing, which queues do not shrink."""


def read(
    session: Session, settings: Settings, seen: Seen, memory: Memory, now: datetime
) -> tuple[MachineFacts, Memory]:
    """The facts, and what the next look is to remember."""
    remembered = _remember(session, seen, memory, now) if seen.is_reached else dict(memory)
    waiting = unscored.waiting(session, settings.max_attempts)
    facts = MachineFacts(
        now,
        is_reached=seen.is_reached,
        missing={kind: at and datetime.fromisoformat(at) for kind, at in remembered.get("missing", {}).items()},
        beat_at=seen.beat_at or datetime.fromisoformat(remembered.get("first_at", now.isoformat())),
        queues={
            name: Queue(length, datetime.fromisoformat(since))
            for name, (length, since) in remembered.get("queues", {}).items()
        },
        unscored=waiting.posts,
        waiting_since=_waiting_since(session, settings.max_attempts),
        failed=_failed(session),
        budgets=_budgets(session, settings, now),
        feeds=_feeds(session),
        falls=tuple(falls.newest(session)),
    )
    return facts, remembered


def _remember(session: Session, seen: Seen, memory: Memory, now: datetime) -> dict[str, Any]:
    at = now.isoformat()
    trainer_at = at if seen.living.get(TRAINER) else memory.get("trainer_at")
    is_recent = trainer_at is not None and now - datetime.fromisoformat(trainer_at) < TRAINERS_EXPECTED
    expected = (*EXPECTED, *([TRAINER] if is_recent or _trainings_wait(session) else []))
    before = memory.get("missing", {})
    missing = {kind: None if seen.living.get(kind) else before.get(kind) or at for kind in expected}
    queues = {name: _grows(length, memory.get("queues", {}).get(name), at) for name, length in seen.queues.items()}
    first_at = memory.get("first_at", at)
    return {"missing": missing, "queues": queues, "trainer_at": trainer_at, "first_at": first_at}


def _grows(length: int, before: tuple[int, str] | None, at: str) -> tuple[int, str]:
    """(length, since when it did not shrink)."""
    return (length, before[1] if before and length and 0 < before[0] <= length else at)


def _trainings_wait(session: Session) -> bool:
    waiting = select(Job.id).where(Job.kind == trainings.KIND, Job.state.in_(UNFINISHED)).limit(1)
    return session.scalar(waiting) is not None


def _waiting_since(session: Session, max_attempts: int) -> datetime | None:
    """Posts come in the order of their ids, nearly: the first that waits came first."""
    first = select(Unscored.post_id).where(Unscored.attempts < max_attempts).order_by(Unscored.post_id).limit(1)
    return session.scalar(select(Post.heard_at).where(Post.id == first.scalar_subquery()))


def _failed(session: Session) -> tuple[Failed, ...]:
    """Trainings that failed since one succeeded, the newest first."""
    ended = (Job.kind == trainings.KIND, Job.finished_at.is_not(None))
    succeeded = select(func.max(Job.finished_at)).where(*ended, Job.state == "succeeded")
    query = select(Job).where(*ended, Job.state == "failed").order_by(Job.finished_at.desc()).limit(MOST_FAILED)
    last = session.scalar(succeeded)
    jobs = session.scalars(query.where(Job.finished_at > last) if last else query)
    return tuple(Failed(job.id, job.finished_at or job.created_at, *_reason(job)) for job in jobs)


def _reason(job: Job) -> tuple[str, str]:
    error = job.error or {}
    return str(error.get("title", "unknown reason")), str(error.get("detail", "Nothing is known of why."))


def _budgets(session: Session, settings: Settings, now: datetime) -> dict[str, Forecast]:
    budgets = {source: budget_of(source, settings) for source in BUDGETED}
    return {s: forecast(budget, inspections.spent(session, s, now), now) for s, budget in budgets.items() if budget}


def _feeds(session: Session) -> tuple[FeedFacts, ...]:
    rows = session.execute(select(Feed, Brand.name).outerjoin(Brand, Brand.id == Feed.brand_id).order_by(Feed.id))
    return tuple(_feed(feed, name or "") for feed, name in rows)


def _shown(said: Source) -> str:
    """As people write it, without what may be secret in an address: a name with its password, a query with a key."""
    bare = said.target.partition("?")[0]
    scheme, mark, rest = bare.partition("://")
    return f"{said.source}:{scheme}{mark}{rest.rpartition('@')[2]}" if bare else said.source


def _feed(feed: Feed, brand: str) -> FeedFacts:
    said, problem = sources.of_row(feed), feed.problem or {}
    return FeedFacts(
        id=feed.id,
        name=_shown(said),
        brand_id=feed.brand_id,
        brand=brand,
        state=feed.state,
        problem=problem.get("reason", ""),
        advice=problem.get("advice", ""),
        failures=feed.failures,
        is_pushed=said.is_pushed,
        every=timedelta(seconds=feed.every_s),
        heard_all_at=feed.complete_at or feed.created_at,
    )
