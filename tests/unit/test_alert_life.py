"""An incident opens once, lasts while it is found or unknown, ends when it was calm for long; quiet hours are kept."""

from datetime import UTC, datetime, timedelta

import pytest

from overheard.alerts.life import Past, Quiet, Step, step, tell_at
from overheard.errors import DataError

NOW = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
BERLIN = Quiet.of({"from": "22:00", "until": "07:00", "tz": "Europe/Berlin"})


def after(past: Past, *, found: bool = False, unknown: bool = False) -> Step:
    return step(past, is_found=found, is_unknown=unknown, now=NOW, calm_s=600, cooldown_s=3600)


def ago(minutes: int) -> datetime:
    return NOW - timedelta(minutes=minutes)


def test_what_is_found_opens_unless_it_just_ended() -> None:
    assert after(Past(), found=True) is Step.open
    assert after(Past(resolved_at=ago(30)), found=True) is Step.nothing
    assert after(Past(resolved_at=ago(61)), found=True) is Step.open
    assert after(Past(), unknown=True) is Step.nothing


def test_it_ends_only_when_it_was_calm_for_long() -> None:
    assert after(Past(seen_at=ago(5))) is Step.wait
    assert after(Past(seen_at=ago(11))) is Step.resolve
    assert after(Past(seen_at=ago(500)), found=True) is Step.keep
    assert after(Past(seen_at=ago(500)), unknown=True) is Step.keep


@pytest.mark.parametrize(
    ("at", "end"),
    [
        ("2026-03-27T20:59:00", None),
        ("2026-03-27T21:00:00", "2026-03-28T06:00:00"),
        ("2026-03-28T03:00:00", "2026-03-28T06:00:00"),
        ("2026-03-28T23:30:00", "2026-03-29T05:00:00"),  # the night in which clocks go forward
        ("2026-03-29T05:00:00", None),
    ],
)
def test_quiet_hours_are_those_of_the_time_zone(at: str, end: str | None) -> None:
    assert BERLIN
    found = BERLIN.end(datetime.fromisoformat(at).replace(tzinfo=UTC))
    assert found == (end and datetime.fromisoformat(end).replace(tzinfo=UTC))


def test_quiet_hours_by_day() -> None:
    lunch = Quiet.of({"from": "12:00", "until": "13:00"})
    assert lunch
    assert lunch.end(NOW.replace(hour=12, minute=30)) == NOW.replace(hour=13, minute=0)
    assert lunch.end(NOW.replace(hour=13, minute=0)) is None


def test_people_are_told_after_the_quiet_hours_and_after_a_snooze() -> None:
    assert tell_at(NOW, None, None) == NOW
    assert tell_at(NOW, BERLIN) == datetime(2026, 3, 29, 5, tzinfo=UTC)
    noon = NOW + timedelta(hours=12)
    assert tell_at(NOW, BERLIN, noon) == noon
    assert tell_at(NOW, BERLIN, NOW + timedelta(hours=24)) == datetime(2026, 3, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "said",
    [
        {"from": "22:00"},
        {"from": "22:00", "until": "22:00"},
        {"from": "25:00", "until": "07:00"},
        {"from": "22:00", "until": "07:00", "tz": "Berlin"},
        {"from": "22:00", "until": "07:00", "days": "mon"},
    ],
)
def test_quiet_hours_that_make_no_sense_are_refused(said: dict[str, str]) -> None:
    with pytest.raises(DataError, match="quiet"):
        Quiet.of(said)


def test_quiet_hours_are_kept_as_they_are_read() -> None:
    assert BERLIN
    assert Quiet.of(BERLIN.kept()) == BERLIN
