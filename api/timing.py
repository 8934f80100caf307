"""When an entry of the timetable runs, in words, and its next times."""

import calendar
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from celery.schedules import crontab

from overheard.errors import DataError
from worker.entries import LONGEST_CYCLE_DAYS, is_named, parse

DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS: Final = calendar.month_name
WORKDAYS: Final = {1, 2, 3, 4, 5}
MOST_CLOCKS: Final = 4
UNITS: Final = (("hour", 3600), ("minute", 60), ("second", 1))


def means(when: str | float) -> str:
    """`7 2 * * sun` -> Sundays at 02:07 UTC; 300.0 -> every 5 minutes. Raises DataError."""
    return _of_cron(parse(when)) if isinstance(when, str) else _every(when)


def upcoming(cron: str, now: datetime, count: int) -> list[datetime]:
    """The next times that it names. Raises DataError for what can't be used, or never comes."""
    wanted = parse(cron)
    clocks = sorted((hour, minute) for hour in wanted.hour for minute in wanted.minute)
    midnight, found = now.replace(hour=0, minute=0, second=0, microsecond=0), list[datetime]()
    for days in range(LONGEST_CYCLE_DAYS):
        day = midnight + timedelta(days=days)
        if is_named(wanted, day):
            found += [at for hour, minute in clocks if (at := day.replace(hour=hour, minute=minute)) > now]
        if len(found) >= count:
            return found[:count]
    if not found:
        raise DataError(f"cron {cron!r} comes less than once in eight years")
    return found


def _every(seconds: float) -> str:
    name, size = next((unit for unit in UNITS if seconds >= unit[1] and seconds % unit[1] == 0), UNITS[-1])
    count = seconds / size
    return f"every {name}" if count == 1 else f"every {count:g} {name}s"


def _of_cron(wanted: crontab) -> str:
    days = _days(wanted)
    clock = _clock(wanted.hour, wanted.minute)
    if not clock.startswith("at"):
        return clock if days == "every day" else f"{clock}, {days}"
    return f"{days} {clock} UTC"


def _days(wanted: crontab) -> str:
    """Which days, as in `Mondays and Fridays in March`; all three fields must agree."""
    of_week, of_month, months = set(wanted.day_of_week), set(wanted.day_of_month), set(wanted.month_of_year)
    said = "every day"
    if len(of_week) < 7:
        said = "on weekdays" if of_week == WORKDAYS else _listed([f"{DAYS[day]}s" for day in sorted(of_week)])
    if len(of_month) < 31:
        numbers = f"day {_listed([str(day) for day in sorted(of_month)])} of the month"
        said = f"on {numbers}" if len(of_week) == 7 else f"{said} that are {numbers}"
    if len(months) < 12:
        said += f" in {_listed([MONTHS[month] for month in sorted(months)])}"
    return said


def _clock(hours: Collection[int], minutes: Collection[int]) -> str:
    """At which times of a day: few are named, many are told by how far they are apart."""
    if len(hours) * len(minutes) <= MOST_CLOCKS:
        return "at " + _listed([f"{hour:02}:{minute:02}" for hour in sorted(hours) for minute in sorted(minutes)])
    if len(hours) == 24:
        if len(minutes) == 60:
            return "every minute"
        if len(minutes) == 1:
            return f"every hour, {min(minutes)} minutes past"
        if apart := _apart(minutes, 60):
            return f"every {apart} minutes"
    elif len(minutes) == 1 and (apart := _apart(hours, 24)):
        return f"every {apart} hours, {min(minutes)} minutes past"
    return f"{len(hours) * len(minutes)} times a day"


def _apart(places: Collection[int], around: int) -> int:
    """How far they are apart, if they are evenly so from 0 on; else 0."""
    step = around // len(places)
    return step if sorted(places) == list(range(0, around, step)) else 0


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else words[0]
