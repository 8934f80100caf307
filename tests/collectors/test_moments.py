"""Times as files write them."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from overheard.collectors.moments import moment_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        NOON,
        NOON.replace(tzinfo=None),
        NOON.astimezone(timezone(timedelta(hours=-8))),
        "2026-03-01T12:00:00Z",
        "2026-03-01 12:00:00",
        "2026-03-01T13:00:00.000+01:00",
        "Sun, 01 Mar 2026 13:00:00 +0100",
        "Sun Mar 01 12:00:00 +0000 2026",
        1772366400,
        "1772366400",
        "1772366400000",
    ],
)
def test_a_time_is_understood_however_it_is_written(value: Any) -> None:
    found = moment_of(value)
    assert found == NOON
    assert found.tzinfo is UTC


def test_a_date_is_its_beginning() -> None:
    assert moment_of(date(2026, 3, 1)) == moment_of("2026-03-01") == NOON.replace(hour=0)


@pytest.mark.parametrize("value", [None, "", "yesterday", "2026-13-01", 7, float("nan"), True, "9" * 14, "03/01/2026"])
def test_what_is_no_time_is_none(value: Any) -> None:
    assert moment_of(value) is None
