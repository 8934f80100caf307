"""What an entry of the timetable is, the arithmetic of its times (all UTC), and what its messages carry."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from celery.schedules import BaseSchedule, ParseException, crontab, schedule

from overheard.errors import DataError

FIELDS: Final = "five fields, `minute hour day-of-month month day-of-week`, as in `7 2 * * sun`"
LONGEST_CYCLE_DAYS: Final = 8 * 366 + 1  # a 29 February comes again after eight years at the latest
NAME, DUE_AT, ASKED = "overheard_schedule", "overheard_due_at", "overheard_asked"


@dataclass(frozen=True)
class Entry:
    """What Beat sends, and when. when: five cron fields, or every so many seconds. does: for people, in one line.

    An entry with cron fields is rare or heavy: each of its times is done once (`worker.slots`), and one that was missed
    is made up for. One with seconds is a light tick whose task may run twice, and which the next one replaces.
    """

    task: str
    when: str | float
    does: str

    @property
    def is_tick(self) -> bool:
        return not isinstance(self.when, str)


@dataclass(frozen=True)
class Run:
    """One time of an entry, as a message's headers tell it. is_asked: somebody wants it, and the API claimed it."""

    name: str
    due_at: datetime
    is_asked: bool = False

    def headers(self) -> dict[str, str]:
        return {NAME: self.name, DUE_AT: self.due_at.isoformat(), **({ASKED: "yes"} if self.is_asked else {})}

    @classmethod
    def of(cls, headers: Mapping[str, str] | None) -> Self | None:
        """None for a message that nobody scheduled."""
        if not headers or NAME not in headers:
            return None
        return cls(headers[NAME], datetime.fromisoformat(headers[DUE_AT]), ASKED in headers)


def parse(cron: str) -> crontab:
    """Raises DataError that says what is wrong with it."""
    fields = cron.split()
    if len(fields) != 5:
        raise DataError(f"cron {cron!r} has {len(fields)} fields: write {FIELDS}")
    minute, hour, day_of_month, month_of_year, day_of_week = fields
    try:
        return crontab(minute, hour, day_of_week, day_of_month, month_of_year)
    except (ValueError, ParseException) as error:
        raise DataError(f"cron {cron!r}: {str(error).rstrip('.')}; write {FIELDS}") from None


def schedule_of(when: str | float) -> BaseSchedule:
    """Raises DataError."""
    return parse(when) if isinstance(when, str) else schedule(timedelta(seconds=when))


def latest(wanted: crontab, now: datetime) -> datetime:
    """The last time that it named, `now` included: two who ask within the same minute are told the same.

    Raises DataError when that was more than eight years ago.
    """
    minute = now.astimezone(UTC).replace(second=0, microsecond=0)
    times = sorted(((hour, minutes) for hour in wanted.hour for minutes in wanted.minute), reverse=True)
    for days in range(LONGEST_CYCLE_DAYS):
        day = minute - timedelta(days=days)
        for hour, minutes in times if is_named(wanted, day) else ():
            if (found := day.replace(hour=hour, minute=minutes)) <= minute:
                return found
    raise DataError(f"{wanted} comes less than once in eight years")


def is_named(wanted: crontab, day: datetime) -> bool:
    """Whether it names this day; as in Celery all three fields must agree."""
    return (
        day.month in wanted.month_of_year
        and day.day in wanted.day_of_month
        and day.isoweekday() % 7 in wanted.day_of_week
    )
