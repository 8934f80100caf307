"""Scheduled tasks that are rare or heavy: each time of theirs is done once, and what was missed is found."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Final, TypeAlias

from celery import Task
from sqlalchemy.orm import Session

from beat_schedule import TIMETABLE
from overheard.store import schedules
from worker import context
from worker.entries import Run, latest, parse

Outcome: TypeAlias = Mapping[str, Any]
Work: TypeAlias = Callable[[datetime], Outcome | None]

GRACE: Final = timedelta(hours=1)
"""So long a message may wait in its queue before its slot counts as missed."""
log = logging.getLogger(__name__)


class NotNow(Exception):
    """Raised by a scheduled task that can't do its work at present: its slot stays open for the daily `catch-up`."""


def once_a_slot(work: Work) -> Callable[[Task], None]:
    """Makes `work` the body of a bound task: it is called with the time at which it was due, once for each such time.

    What it returns is kept as the slot's outcome, and so is the message of what it raises. A message that nobody
    scheduled has no slot and is done as often as it comes.
    """

    @wraps(work)
    def do(task: Task) -> None:
        run = Run.of(task.request.headers)
        if run is None:
            work(datetime.now(UTC))
        elif _claim(run, is_redelivered=bool((task.request.delivery_info or {}).get("redelivered"))):
            _do(work, run)
        else:
            log.info("%s of %s is done already", run.name, run.due_at)

    return do


def missed(session: Session, now: datetime) -> list[Run]:
    """The last time of each entry with cron fields, where that has passed and nobody did it or anything since.

    What was due while an entry was paused, before it was changed, or before this installation knew of it, was not
    missed.
    """
    found, changes = [], schedules.changes(session)
    for name, entry in TIMETABLE.items():
        change = changes.get(name)
        if isinstance(entry.when, str) and change and not change.is_paused:
            due_at = latest(parse(change.cron or entry.when), now)
            is_old = change.changed_at < due_at < now - GRACE
            if is_old and schedules.is_missed(session, name, due_at, now):
                found.append(Run(name, due_at))
    return found


def _claim(run: Run, *, is_redelivered: bool) -> bool:
    with context.get().database.write() as session:
        may_take_over = is_redelivered or run.is_asked  # the API claimed what was asked for
        return schedules.claim(session, run.name, run.due_at, datetime.now(UTC), may_take_over=may_take_over)


def _do(work: Work, run: Run) -> None:
    try:
        outcome = work(run.due_at) or {}
    except NotNow as reason:
        log.info("%s not now: %s", run.name, reason)
        with context.get().database.write() as session:
            schedules.forget(session, run.name, run.due_at)
    except Exception as error:
        _finish(run, {"error": str(error) or type(error).__name__})
        raise
    else:
        _finish(run, outcome)


def _finish(run: Run, outcome: Outcome) -> None:
    with context.get().database.write() as session:
        schedules.finish(session, run.name, run.due_at, datetime.now(UTC), outcome)
