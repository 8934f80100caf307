"""The timetable in Redis: the only file that knows redbeat.

`beat_schedule.py` says what there is, SQL what somebody changed of it (`overheard.store.schedules`), and Redis only
when each entry ran last. The Beat that leads brings Redis in line with the other two when it begins, and again every
FOLLOW_EVERY_S; a change by the API is applied at once. A Beat that stands by writes nothing.
"""

import logging
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from celery.schedules import crontab
from redbeat import RedBeatScheduler, RedBeatSchedulerEntry
from redbeat.schedulers import ensure_conf, get_redis
from sqlalchemy.exc import SQLAlchemyError

from beat_schedule import TIMETABLE
from overheard.errors import NotFound
from overheard.settings import Settings
from overheard.store import schedules
from overheard.store.database import Database
from overheard.store.tables.timetable import Schedule
from worker.app import app
from worker.entries import Entry, Run, latest, schedule_of

FOLLOW_EVERY_S: Final = 30
CLOCKS_DIFFER: Final = timedelta(minutes=1)
"""By no more than that, if at all."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Times:
    """What Redis knows of an entry. last_run_at: None before it ran; next_run_at: None while it is paused."""

    last_run_at: datetime | None = None
    next_run_at: datetime | None = None


class Timetable(RedBeatScheduler):  # type: ignore[misc]
    """redbeat's scheduler, which leaves it to `follow` what the entries are, and names the slot in each message."""

    _follows_at = -math.inf

    @cached_property
    def _database(self) -> Database:
        return Database(Settings.load().sql_url)

    def setup_schedule(self) -> None:
        """Not here: redbeat would overwrite what is paused, and before it has the lock."""

    def tick(self, *args: Any, **options: Any) -> float:
        """Raises LockNotOwnedError when another Beat leads: this one ends, and stands by when it is restarted."""
        if time.monotonic() >= self._follows_at:
            self._follow()
        return float(super().tick(*args, **options))

    def apply_async(self, entry: RedBeatSchedulerEntry, *args: Any, **options: Any) -> Any:
        if isinstance(entry.schedule, crontab):
            run = Run(entry.name, latest(entry.schedule, datetime.now(UTC)))
            entry.options = {**entry.options, "headers": run.headers()}
        return super().apply_async(entry, *args, **options)

    def _follow(self) -> None:
        """Raises SQLAlchemyError only at the beginning, when nobody has said yet what is paused."""
        try:
            follow(self._database, datetime.now(UTC))
        except SQLAlchemyError as error:
            if self._follows_at < 0:
                raise
            log.warning("the database does not say what was changed of the timetable: %s", error)
        self._follows_at = time.monotonic() + FOLLOW_EVERY_S


def follow(database: Database, now: datetime) -> None:
    """Bring Redis in line with the file and with what was changed of it; entries that left the file are removed."""
    with database.read() as session:
        changes = schedules.changes(session)
    if new := TIMETABLE.keys() - changes.keys():
        with database.write() as session:
            schedules.note(session, new, now)
    for name in TIMETABLE:
        apply(name, changes.get(name), now)
    conf = ensure_conf(app)
    for key in get_redis(app).zrange(conf.schedule_key, 0, -1):
        if (name := key.removeprefix(conf.key_prefix)) not in TIMETABLE:
            log.info("%s left the timetable", name)
            RedBeatSchedulerEntry(name, app=app).delete()


def apply(name: str, change: Schedule | None, now: datetime) -> None:
    """Have Beat do as the file says, and `change` if there is one, from its next look on.

    What is new, was paused or has another schedule begins to wait now: nothing is due because of the past. So does what
    ran in the future, by a clock that was ahead for a while: it would wait until then. Raises RedisError.
    """
    wanted, present = _wanted(name, change), _present(name)
    if present is None:
        wanted.save()
        return
    is_resumed = wanted.enabled and not present.enabled
    was_ahead = present.last_run_at is not None and present.last_run_at > now + CLOCKS_DIFFER
    if is_resumed or was_ahead or wanted.schedule != present.schedule:
        wanted.reschedule(now)  # before the next line, with which it may be due
    elif (wanted.task, wanted.options, wanted.enabled) == (present.task, present.options, present.enabled):
        return
    else:
        wanted.last_run_at = present.last_run_at
    wanted.save()


def is_led() -> bool:
    """Whether some Beat leads: it renews its lock every few seconds. Raises RedisError."""
    return bool(get_redis(app).exists(ensure_conf(app).lock_key))


def named(name: str) -> Entry:
    """Raises NotFound."""
    if name not in TIMETABLE:
        raise NotFound("schedule", name, f"there are {', '.join(TIMETABLE)}")
    return TIMETABLE[name]


def when(name: str, change: Schedule | None) -> str | float:
    """Its cron fields, or every how many seconds."""
    return (change and change.cron) or TIMETABLE[name].when


def times(name: str, now: datetime) -> Times:
    """Raises RedisError. No times when no Beat has led yet."""
    entry = _present(name)
    if entry is None:
        return Times()
    last = entry.last_run_at if entry.total_run_count else None
    left = max(entry.schedule.remaining_estimate(entry.last_run_at), timedelta())
    due_at = (now + left + timedelta(seconds=0.5)).replace(microsecond=0)
    return Times(last, due_at if entry.enabled else None)


def _wanted(name: str, change: Schedule | None) -> RedBeatSchedulerEntry:
    every = when(name, change)
    return RedBeatSchedulerEntry(
        name,
        TIMETABLE[name].task,
        schedule_of(every),
        args=[],
        options={} if isinstance(every, str) else {"expires": every},  # the next tick is as good
        enabled=not (change and change.is_paused),
        app=app,
    )


def _present(name: str) -> RedBeatSchedulerEntry | None:
    try:
        return RedBeatSchedulerEntry.from_key(ensure_conf(app).key_prefix + name, app=app)
    except KeyError:
        return None
