"""What was changed and what was done of the timetable, on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from overheard.errors import Conflict
from overheard.store import schedules
from overheard.store.database import Database
from overheard.store.schedules import ABANDONED_S, NEVER
from overheard.store.tables.heard import Feed

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SUNDAY = datetime(2026, 3, 1, 2, 7, tzinfo=UTC)
SOON, LATER = NOW + timedelta(seconds=30), NOW + timedelta(seconds=ABANDONED_S + 1)


@pytest.fixture
def database(either: Database) -> Database:
    return either


def claim(database: Database, due_at: datetime = SUNDAY, now: datetime = NOW, may_take_over: bool = False) -> bool:
    with database.write() as session:
        return schedules.claim(session, "retrain", due_at, now, may_take_over=may_take_over)


def finish(database: Database, due_at: datetime = SUNDAY) -> None:
    with database.write() as session:
        schedules.finish(session, "retrain", due_at, SOON, {"job_id": "7"})


def is_missed(database: Database, due_at: datetime = SUNDAY, now: datetime = NOW) -> bool:
    with database.read() as session:
        return schedules.is_missed(session, "retrain", due_at, now)


def test_a_slot_that_is_sent_often_is_done_once(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: claim(database), range(16))) == 1
    assert claim(database, SUNDAY + timedelta(days=7))


def test_the_slot_of_a_worker_that_died_is_done_by_the_message_that_comes_again(database: Database) -> None:
    assert claim(database)
    assert not claim(database, now=SOON)
    assert claim(database, now=SOON, may_take_over=True)
    finish(database)
    assert not claim(database, now=SOON, may_take_over=True)


def test_a_slot_that_was_left_without_a_word_is_free_after_an_hour(database: Database) -> None:
    assert claim(database)
    assert not is_missed(database, now=SOON)
    assert is_missed(database, now=LATER)
    assert claim(database, now=LATER)
    assert not is_missed(database, now=LATER)


def test_what_ran_since_was_not_missed(database: Database) -> None:
    assert is_missed(database)
    with database.write() as session:
        schedules.ask(session, "retrain", "me", NOW)
    assert not is_missed(database)
    assert is_missed(database, SUNDAY + timedelta(days=7), NOW + timedelta(days=8))


def test_a_run_is_not_begun_by_hand_while_there_is_one(database: Database) -> None:
    assert claim(database)
    with database.write() as session, pytest.raises(Conflict, match="retrain runs since 2026-03-01 12:00:00 UTC"):
        schedules.ask(session, "retrain", "me", SOON)
    finish(database)
    with database.write() as session:
        schedules.ask(session, "retrain", "me", SOON)
        schedules.record(session, "retrain", "you", LATER, {})
        newest, asked, oldest = schedules.runs(session, "retrain", 10)
    assert (newest.asked_by, newest.finished_at, schedules.outcome_of(newest)) == ("you", LATER, {})
    assert (asked.asked_by, asked.finished_at, schedules.outcome_of(asked)) == ("me", None, None)
    assert (oldest.asked_by, oldest.finished_at, schedules.outcome_of(oldest)) == ("", SOON, {"job_id": "7"})


def test_old_slots_are_purged_but_not_what_says_that_nothing_was_missed(database: Database) -> None:
    for week in range(5):
        assert claim(database, SUNDAY + timedelta(weeks=week))
    with database.write() as session:
        assert schedules.purge(session, NOW + timedelta(weeks=8), keep_days=30) == 4
    assert not is_missed(database, SUNDAY + timedelta(weeks=4))


def test_a_change_says_who_made_it_and_no_change_says_nothing(database: Database) -> None:
    with database.write() as session:
        schedules.note(session, ["retrain"], NOW)
        assert schedules.change(session, "retrain", "me", SOON, is_paused=False).changed_by == ""
        assert schedules.change(session, "retrain", "me", SOON, is_paused=True, cron="7 2 * * *").changed_by == "me"
    with database.write() as session:
        schedules.note(session, ["retrain"], LATER)
        assert schedules.change(session, "retrain", "you", LATER, is_paused=True).changed_by == "me"
        changed = schedules.changes(session)["retrain"]
    assert (changed.is_paused, changed.cron, changed.changed_at) == (True, "7 2 * * *", SOON)


def test_feeds_that_are_called_are_due_unless_paused_or_told_to_wait(database: Database) -> None:
    states = {"ok": LATER, "down": LATER, "new": NOW, "paused": LATER, "busy": LATER, "pushed": NEVER}
    with database.write() as session:
        for source, due_at in states.items():
            state = "ok" if source == "pushed" else source
            facts = {"options": {}, "every_s": 300, "cursor": {}, "created_at": NOW}
            session.add(Feed(source=source, state=state, due_at=due_at, **facts))
    with database.write() as session:
        assert schedules.call_feeds(session, NOW) == 2
        due = {feed.source for feed in session.query(Feed).where(Feed.due_at <= NOW)}
    assert due == {"ok", "down", "new"}
