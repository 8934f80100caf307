"""The timetable's times, what its messages lead to, and what becomes of it in a real Redis."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.schedules import schedule
from redbeat import RedBeatSchedulerEntry

from beat_schedule import TIMETABLE
from overheard.errors import DataError, NotFound
from overheard.store import schedules
from overheard.store.database import Database
from tests.redis_server import redis_server
from worker import context, names, timetable
from worker.entries import Entry, Run, latest, parse
from worker.slots import NotNow, missed, once_a_slot

NOW = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)  # a Wednesday
SUNDAY = datetime(2026, 3, 1, 2, 7, tzinfo=UTC)
MINUTE, WEEK = timedelta(minutes=1), timedelta(weeks=1)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def celery(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    """An app of its own, with an empty Redis."""
    prefix = {"redbeat_key_prefix": "test:", "redbeat_redis_options": {"socket_timeout": 5}}
    app = Celery("test", broker=redis_url, set_as_current=False)
    app.conf.update(redbeat_redis_url=redis_url, beat_max_loop_interval=5, **prefix)
    monkeypatch.setattr(timetable, "app", app)
    redis = timetable.get_redis(app) if timetable.ensure_conf(app) else None
    redis.flushall()
    yield app
    redis.close()
    app.close()


@pytest.fixture
def house(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """What scheduled tasks find in their worker."""
    monkeypatch.setattr(context, "get", lambda: SimpleNamespace(database=database))
    return database


def entry(celery: Celery, name: str) -> RedBeatSchedulerEntry:
    return RedBeatSchedulerEntry.from_key(f"test:{name}", app=celery)


def is_due(celery: Celery, name: str) -> bool:
    return bool(entry(celery, name).is_due().is_due) if entry(celery, name).enabled else False


def long_ago(celery: Celery, name: str) -> datetime:
    """As if no Beat had run for two weeks."""
    at = datetime.now(UTC) - 2 * WEEK
    entry(celery, name).reschedule(at)
    return at


def change(database: Database, name: str, **values: Any) -> None:
    with database.write() as session:
        schedules.change(session, name, "me", NOW, **values)


def message(run: Run | None, *, redelivered: bool = False) -> Any:
    """A task that has got a message from Beat."""
    delivery = {"redelivered": redelivered}
    return SimpleNamespace(request=SimpleNamespace(headers=run and run.headers(), delivery_info=delivery))


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("7 2 * *", "4 fields"),
        ("7 2 * * 7", "7 > 6"),
        ("61 * * * *", "61 > 59"),
        ("0 0 31 2 *", "never occurs"),
        ("now or * * never", "now"),
        ("1,, * * * *", "empty part"),
        ("", "0 fields"),
    ],
)
def test_a_cron_that_can_not_be_used_is_refused_with_what_to_write(cron: str, said: str) -> None:
    with pytest.raises(DataError, match="minute hour day-of-month month day-of-week") as refused:
        parse(cron)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("cron", "time"),
    [
        ("7 2 * * sun", "2026-03-01T02:07"),
        ("0 12 * * *", "2026-03-04T12:00"),
        ("1 12 * * *", "2026-03-03T12:01"),
        ("*/25 8-11 * * mon-fri", "2026-03-04T11:50"),
        ("0 0 1 jan *", "2026-01-01T00:00"),
        ("30 23 29 2 *", "2024-02-29T23:30"),
    ],
)
def test_the_last_time_that_a_cron_named(cron: str, time: str) -> None:
    assert latest(parse(cron), NOW) == datetime.fromisoformat(f"{time}+00:00")


def test_a_cron_that_hardly_ever_comes_is_refused() -> None:
    with pytest.raises(DataError, match="less than once in eight years"):
        latest(parse("0 0 29 2 mon"), NOW)


def test_what_is_rare_has_cron_fields_and_every_entry_says_what_it_does() -> None:
    ticks = {name for name, listed in TIMETABLE.items() if listed.is_tick}
    assert {"weekly-retrain", "accuracy-check", "retention", "catch-up"}.isdisjoint(ticks)
    assert all(listed.does and (listed.is_tick or parse(str(listed.when))) for listed in TIMETABLE.values())


def test_a_fresh_installation_waits_before_it_does_anything(celery: Celery, database: Database) -> None:
    timetable.follow(database, datetime.now(UTC))
    assert not any(is_due(celery, name) for name in TIMETABLE)
    with database.read() as session:
        assert missed(session, datetime.now(UTC)) == []


def test_what_is_paused_stays_paused_when_redis_comes_back_empty(celery: Celery, database: Database) -> None:
    change(database, "weekly-retrain", is_paused=True)
    change(database, "aggregate", cron="*/5 * * * *")
    timetable.follow(database, datetime.now(UTC))
    timetable.get_redis(celery).flushall()
    timetable.follow(database, datetime.now(UTC))
    assert {name for name in TIMETABLE if not entry(celery, name).enabled} == {"weekly-retrain"}
    assert entry(celery, "aggregate").schedule == parse("*/5 * * * *")
    assert timetable.times("weekly-retrain", datetime.now(UTC)).next_run_at is None


def test_what_was_due_while_it_was_paused_is_not_done_when_it_is_resumed(celery: Celery, database: Database) -> None:
    change(database, "weekly-retrain", is_paused=True)
    timetable.follow(database, datetime.now(UTC))
    long_ago(celery, "weekly-retrain")
    change(database, "weekly-retrain", is_paused=False)
    timetable.follow(database, datetime.now(UTC))
    assert entry(celery, "weekly-retrain").enabled
    assert not is_due(celery, "weekly-retrain")
    assert timetable.times("weekly-retrain", datetime.now(UTC)).next_run_at > datetime.now(UTC)


def test_what_was_due_while_no_beat_ran_is_done_at_its_next_start(celery: Celery, database: Database) -> None:
    timetable.follow(database, datetime.now(UTC))
    at = long_ago(celery, "weekly-retrain")
    timetable.follow(database, datetime.now(UTC))
    assert entry(celery, "weekly-retrain").last_run_at == at
    assert is_due(celery, "weekly-retrain")


def test_what_ran_in_the_future_by_a_wrong_clock_goes_on_when_the_clock_is_right(
    celery: Celery, database: Database
) -> None:
    timetable.follow(database, datetime.now(UTC))
    entry(celery, "aggregate").reschedule(datetime.now(UTC) + 60 * MINUTE)
    timetable.follow(database, datetime.now(UTC))
    assert timetable.times("aggregate", datetime.now(UTC)).next_run_at < datetime.now(UTC) + MINUTE


def test_a_new_version_of_the_file_reaches_an_old_installation(
    celery: Celery, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(database, "sweep", cron="0 * * * *")
    timetable.follow(database, datetime.now(UTC))
    monkeypatch.setitem(TIMETABLE, "sweep", Entry("posts.other", 60.0, "another task"))
    monkeypatch.setitem(TIMETABLE, "aggregate", Entry("hours.aggregate", 7.0, "more seldom"))
    monkeypatch.delitem(TIMETABLE, "mirror-models")
    timetable.follow(database, datetime.now(UTC))
    assert (entry(celery, "sweep").task, entry(celery, "sweep").schedule) == ("posts.other", parse("0 * * * *"))
    assert entry(celery, "aggregate").schedule == schedule(timedelta(seconds=7))
    assert entry(celery, "aggregate").options == {"expires": 7.0}
    with pytest.raises(KeyError):
        entry(celery, "mirror-models")


def test_every_entry_has_a_queue_for_its_task() -> None:
    assert {listed.task for listed in TIMETABLE.values()} <= names.QUEUES.keys()


def test_a_name_that_is_unknown_is_answered_with_those_that_are_not() -> None:
    with pytest.raises(NotFound, match="weekly-retrain"):
        timetable.named("weekly")


def test_two_beats_that_lead_at_once_name_the_same_slot_and_it_is_done_once(
    celery: Celery, house: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    timetable.follow(house, datetime.now(UTC))
    long_ago(celery, "weekly-retrain")
    beats = [timetable.Timetable(celery) for _ in range(2)]
    seen = [beat.schedule["weekly-retrain"] for beat in beats]  # both, before either advanced it
    sent: list[dict[str, str]] = []
    for beat, due in zip(beats, seen, strict=True):
        monkeypatch.setattr(beat, "send_task", lambda *_, headers, **__: sent.append(headers))
        beat.maybe_due(due)
    runs = [Run.of(headers) for headers in sent]
    assert runs == [Run("weekly-retrain", latest(parse("7 2 * * sun"), datetime.now(UTC)))] * 2

    done: list[datetime] = []
    task = once_a_slot(lambda due_at: done.append(due_at))
    for run in runs:
        task(message(run))
    assert len(done) == 1


def test_the_outcome_of_a_run_is_kept_and_so_is_its_failure(house: Database) -> None:
    def fail(_: datetime) -> None:
        raise ValueError("out of luck")

    once_a_slot(lambda due_at: {"n": 3})(message(Run("check", SUNDAY)))
    with pytest.raises(ValueError, match="out of luck"):
        once_a_slot(fail)(message(Run("check", SUNDAY + WEEK)))
    with house.read() as session:
        outcomes = [schedules.outcome_of(run) for run in schedules.runs(session, "check", 9)]
    assert outcomes == [{"error": "out of luck"}, {"n": 3}]


def test_a_run_that_was_cut_off_is_done_by_its_second_delivery(house: Database) -> None:
    done: list[datetime] = []
    task = once_a_slot(lambda due_at: done.append(due_at))
    with house.write() as session:
        schedules.claim(session, "check", SUNDAY, datetime.now(UTC), may_take_over=False)
    task(message(Run("check", SUNDAY)))
    assert done == []
    task(message(Run("check", SUNDAY), redelivered=True))
    task(message(Run("check", SUNDAY), redelivered=True))
    assert done == [SUNDAY]


def test_what_can_not_be_done_now_stays_missed(house: Database) -> None:
    def refuse(_: datetime) -> None:
        raise NotNow("nobody trains")

    with house.write() as session:
        schedules.note(session, TIMETABLE, SUNDAY - WEEK)
    once_a_slot(refuse)(message(Run("weekly-retrain", SUNDAY)))
    assert Run("weekly-retrain", SUNDAY) in what_was_missed(house)
    once_a_slot(lambda _: None)(message(Run("weekly-retrain", SUNDAY)))
    assert Run("weekly-retrain", SUNDAY) not in what_was_missed(house)


def what_was_missed(database: Database) -> list[Run]:
    with database.read() as session:
        return missed(session, NOW)


def test_a_weekly_run_that_was_lost_is_found_unless_it_was_paused_or_changed_since(house: Database) -> None:
    with house.write() as session:
        schedules.note(session, TIMETABLE, SUNDAY - WEEK)
    found = {run.name: run.due_at for run in what_was_missed(house)}
    assert found.keys() == {name for name, listed in TIMETABLE.items() if not listed.is_tick}
    assert found["weekly-retrain"] == SUNDAY
    change(house, "weekly-retrain", is_paused=True)
    assert "weekly-retrain" not in [run.name for run in what_was_missed(house)]
    change(house, "weekly-retrain", is_paused=False)
    assert "weekly-retrain" not in [run.name for run in what_was_missed(house)]


def test_a_message_that_may_still_wait_in_its_queue_is_not_missed_yet(house: Database) -> None:
    with house.write() as session:
        schedules.note(session, TIMETABLE, SUNDAY - WEEK)
    with house.read() as session:
        assert "weekly-retrain" not in [run.name for run in missed(session, SUNDAY + 59 * MINUTE)]
        assert "weekly-retrain" in [run.name for run in missed(session, SUNDAY + 61 * MINUTE)]


def test_headers_lead_back_to_their_run() -> None:
    for run in (Run("retrain", SUNDAY), Run("retrain", NOW + timedelta(microseconds=1), is_asked=True)):
        assert Run.of(json.loads(json.dumps(run.headers()))) == run
    assert Run.of(None) is Run.of({"other": "header"}) is None


def test_every_entry_has_a_task_that_workers_know() -> None:
    script = (
        "from worker.app import app; from beat_schedule import TIMETABLE; app.loader.import_default_modules();"
        "print(*{entry.task for entry in TIMETABLE.values()} - app.tasks.keys())"
    )
    environment = {**os.environ, "OVERHEARD_REDIS_URL": "redis://127.0.0.1:1/0"}
    said = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == []
