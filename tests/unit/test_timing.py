"""When an entry of the timetable runs, in words."""

from datetime import UTC, datetime

import pytest

from api.timing import means, upcoming
from beat_schedule import TIMETABLE
from overheard.errors import DataError

NOW = datetime(2026, 3, 4, 12, 30, 15, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("when", "words"),
    [
        (3.0, "every 3 seconds"),
        (1.5, "every 1.5 seconds"),
        (300.0, "every 5 minutes"),
        (3600.0, "every hour"),
        ("7 2 * * sun", "Sundays at 02:07 UTC"),
        ("37 3 * * *", "every day at 03:37 UTC"),
        ("0 9,17 * * mon-fri", "on weekdays at 09:00 and 17:00 UTC"),
        ("30 1 1,15 * *", "on day 1 and 15 of the month at 01:30 UTC"),
        ("0 0 1 1 *", "on day 1 of the month in January at 00:00 UTC"),
        ("5 4 * 3,12 mon,thu", "Mondays and Thursdays in March and December at 04:05 UTC"),
        ("0 6 13 * fri", "Fridays that are day 13 of the month at 06:00 UTC"),
        ("*/15 * * * *", "every 15 minutes"),
        ("* * * * *", "every minute"),
        ("7 * * * *", "every hour, 7 minutes past"),
        ("7 */4 * * *", "every 4 hours, 7 minutes past"),
        ("*/10 * * * sat", "every 10 minutes, Saturdays"),
        ("1,2 1-6 * * *", "12 times a day"),
    ],
)
def test_it_is_said_as_people_would(when: str | float, words: str) -> None:
    assert means(when) == words


def test_all_of_the_timetable_can_be_said() -> None:
    assert all(means(entry.when) for entry in TIMETABLE.values())


def test_the_next_times_come_after_now_in_order() -> None:
    assert upcoming("30,31 12 * * *", NOW, 3) == [
        datetime(2026, 3, 4, 12, 31, tzinfo=UTC),
        datetime(2026, 3, 5, 12, 30, tzinfo=UTC),
        datetime(2026, 3, 5, 12, 31, tzinfo=UTC),
    ]
    assert [at.year for at in upcoming("0 0 29 2 *", NOW, 2)] == [2028, 2032]


def test_a_time_that_never_comes_is_refused() -> None:
    with pytest.raises(DataError, match="eight years"):
        upcoming("0 0 29 2 mon", NOW, 1)
    with pytest.raises(DataError, match="five fields"):
        upcoming("7 2", NOW, 1)
