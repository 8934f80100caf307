"""A clock that was an hour ahead, and is right again, holds nothing up: on both databases."""

from datetime import UTC, datetime, timedelta

from overheard.collectors.base import Post as Heard
from overheard.privacy import Privacy
from overheard.store import jobs, parts, posts, trainings, unscored
from overheard.store.database import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AHEAD = NOW + timedelta(hours=1)
LEASE_S = 30.0


def test_texts_of_a_job_that_were_taken_by_a_wrong_clock_are_free_again(either: Database) -> None:
    with either.write() as session:
        job = parts.add_job(
            session,
            [["fine"]],
            [None],
            owner="me",
            idempotency_key=None,
            request_hash="",
            now=AHEAD,
            lease_s=LEASE_S,
        )
    with either.write() as session:
        assert parts.take(session, job.id, AHEAD, LEASE_S, max_attempts=3)
    with either.write() as session:
        assert [lost.id for lost in jobs.reclaim_lost(session, NOW, LEASE_S, jobs.SCORED)] == [job.id]
        assert parts.take(session, job.id, NOW, LEASE_S, max_attempts=3)
        assert parts.take(session, job.id, NOW, LEASE_S, max_attempts=3) is None


def test_posts_that_were_taken_by_a_wrong_clock_are_free_again(either: Database) -> None:
    with either.write() as session:
        posts.keep(
            session,
            [Heard("1", "fine", NOW)],
            source="x",
            brands_of=lambda _: [],
            feed_id=None,
            privacy=Privacy(b"a secret of the tests"),
            now=NOW,
        )
        assert unscored.take(session, AHEAD, LEASE_S, max_attempts=3, at_most=9)
    with either.write() as session:
        assert unscored.take(session, NOW, LEASE_S, max_attempts=3, at_most=9)
        assert unscored.take(session, NOW, LEASE_S, max_attempts=3, at_most=9) is None


def test_a_training_that_was_taken_by_a_wrong_clock_can_be_taken_by_another(either: Database) -> None:
    job = trainings.start(either, {}, owner="me", now=NOW, lease_s=LEASE_S)
    with either.write() as session:
        assert trainings.take(session, job.id, AHEAD, LEASE_S, max_attempts=3)
    with either.write() as session:
        claim = trainings.take(session, job.id, NOW, LEASE_S, max_attempts=3)
        assert claim is not None
        assert claim.attempt == 2
        assert trainings.take(session, job.id, NOW, LEASE_S, max_attempts=3) is None
