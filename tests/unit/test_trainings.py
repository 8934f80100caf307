"""Trainings on a real SQLite file: one at a time, taken by one worker, never lost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from overheard.errors import TrainingRuns
from overheard.store import jobs, labels, trainings
from overheard.store.database import Database
from overheard.store.labels import NewLabel, Purpose
from overheard.store.tables.work import Job
from overheard.store.trainings import Claim, Standing

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEASE_S = 30.0
LATER = NOW + timedelta(seconds=LEASE_S + 1)


@pytest.fixture
def database(either: Database) -> Database:
    return either


def start(database: Database, now: datetime = NOW) -> Job:
    return trainings.start(database, {"epochs": 1.0}, owner="me", now=now, lease_s=LEASE_S)


def take(database: Database, job_id: str, now: datetime = NOW) -> Claim | None:
    with database.write() as session:
        return trainings.take(session, job_id, now, LEASE_S, max_attempts=3)


def tell(database: Database, claim: Claim, now: datetime = NOW) -> Job | None:
    with database.write() as session:
        return trainings.tell(session, claim, Standing("fine-tuning", 3, 10, {"loss": 0.5}), now, LEASE_S)


def job(database: Database, job_id: str) -> Job:
    with database.read() as session:
        return jobs.get(session, job_id)


def reclaim(database: Database, now: datetime) -> list[str]:
    with database.write() as session:
        return [lost.id for lost in jobs.reclaim_lost(session, now, LEASE_S, [trainings.KIND])]


def finish(database: Database, job_id: str, state: str = "succeeded") -> None:
    with database.write() as session:
        jobs.finish(session, jobs.lock(session, job_id), state, NOW)


def test_starts_at_once_from_many_places_start_one(database: Database) -> None:
    def attempt(_: int) -> str:
        try:
            return start(database).id
        except TrainingRuns as running:
            return f"409 {running.job_id}"

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(attempt, range(4)))
    (started,) = [answer for answer in answers if not answer.startswith("409")]
    assert sorted(answers) == sorted([started, *[f"409 {started}"] * 3])


def test_after_one_has_ended_another_may_start(database: Database) -> None:
    for state in ("succeeded", "failed", "cancelled"):
        finish(database, start(database).id, state)
    assert start(database).state == "queued"


def test_a_doubled_message_finds_the_training_taken(database: Database) -> None:
    job_id = start(database).id
    assert take(database, job_id) == Claim(job_id, 1, {"epochs": 1.0}, {})
    assert take(database, job_id) is None


def test_progress_keeps_the_lease_and_is_seen(database: Database) -> None:
    job_id = start(database).id
    claim = take(database, job_id)
    assert claim is not None
    assert tell(database, claim, NOW + timedelta(seconds=20)) is not None
    assert reclaim(database, LATER) == []
    told = job(database, job_id)
    assert (told.state, told.stage, told.done, told.total, told.facts) == (
        "running",
        "fine-tuning",
        3,
        10,
        {"loss": 0.5},
    )


def test_a_silent_worker_loses_the_training_and_its_late_words_are_ignored(database: Database) -> None:
    job_id = start(database).id
    first = take(database, job_id)
    assert first is not None
    assert reclaim(database, LATER) == [job_id]
    second = take(database, job_id, LATER)
    assert second is not None
    assert second.attempt == 2
    assert tell(database, first, LATER) is None
    assert tell(database, second, LATER) is not None


def test_a_training_that_kills_its_workers_fails_and_can_be_retried(database: Database) -> None:
    job_id, now = start(database).id, NOW
    for _ in range(3):
        assert take(database, job_id, now) is not None
        now += timedelta(seconds=LEASE_S + 1)
        reclaim(database, now)
    assert take(database, job_id, now) is None
    failed = job(database, job_id)
    assert failed.state == "failed"
    assert failed.error is not None
    assert "3 times" in failed.error["detail"]
    with database.write() as session:
        jobs.retry(session, job_id, now, LEASE_S)
    assert take(database, job_id, now) is not None


def test_a_cancelled_training_is_not_taken_and_its_worker_hears_it(database: Database) -> None:
    job_id = start(database).id
    claim = take(database, job_id)
    assert claim is not None
    with database.write() as session:
        jobs.cancel(session, job_id, NOW)
    assert tell(database, claim) is None
    assert take(database, job_id) is None


def test_trainings_count_no_queued_messages(database: Database) -> None:
    claim = take(database, start(database).id)
    assert claim is not None
    tell(database, claim)
    with database.read() as session:
        assert jobs.backlog(session) == 0


def test_the_weekly_training_waits_for_new_training_labels(database: Database) -> None:
    def has_news() -> bool:
        with database.read() as session:
            return trainings.has_news(session)

    def label(text: str, purpose: Purpose, now: datetime) -> None:
        with database.write() as session:
            labels.save(session, [NewLabel(text, 0, purpose)], "ann", now)

    assert not has_news()
    label("one", Purpose.audit, NOW - timedelta(days=2))
    assert not has_news()
    label("two", Purpose.train, NOW - timedelta(days=1))
    assert has_news()
    finish(database, start(database).id)
    assert not has_news()
    label("three", Purpose.train, LATER)
    assert has_news()


def test_a_weekly_training_that_comes_late_is_not_begun_when_somebody_has_begun_one_since(database: Database) -> None:
    def why_not(due_at: datetime) -> str:
        with database.read() as session:
            return trainings.why_not(session, due_at)

    assert why_not(NOW) == "no new labels"
    with database.write() as session:
        labels.save(session, [NewLabel("one", 0, Purpose.train)], "ann", NOW)
    assert why_not(NOW) == ""
    begun = start(database, LATER)
    assert begun.id in why_not(NOW)
    assert why_not(LATER + timedelta(seconds=1)) == ""


def test_a_stopped_training_is_gone_on_with_when_the_same_is_asked_for(database: Database) -> None:
    started = start(database)
    same, other = {"epochs": 1.0}, {"epochs": 2.0}
    assert getattr(trainings.resumable(database, same, NOW), "id", None) == started.id
    assert trainings.resumable(database, other, NOW) is None
    take(database, started.id)
    assert trainings.resumable(database, same, NOW) is None
    assert getattr(trainings.resumable(database, same, LATER), "id", None) == started.id
