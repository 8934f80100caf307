"""Jobs, parts and keys on a real SQLite file."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select, text

import overheard.store.database as store
from overheard.aggregates import Moments
from overheard.errors import Conflict, NotFound, StackError
from overheard.scoring.bundle import LABELS
from overheard.store import jobs, keys, parts
from overheard.store.database import Database, migrate
from overheard.store.keys import Role
from overheard.store.parts import Answer
from overheard.store.tables.counts import DirtyHour, Hour
from overheard.store.tables.everything import Table
from overheard.store.tables.heard import Brand, Mention, Post
from overheard.store.tables.work import Job, Part

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEASE_S = 30.0
TEXTS = [[f"text {part}.{row}" for row in range(3)] for part in range(4)]


@pytest.fixture
def database(either: Database) -> Database:
    return either


def add_job(database: Database, key: str | None = None, answers: list[Answer | None] | None = None) -> str:
    with database.write() as session:
        job = parts.add_job(
            session,
            TEXTS,
            answers or [None] * len(TEXTS),
            owner="me",
            idempotency_key=key,
            request_hash="h",
            now=NOW,
            lease_s=LEASE_S,
        )
    return job.id


def take(database: Database, job_id: str, now: datetime = NOW) -> parts.Work | None:
    with database.write() as session:
        return parts.take(session, job_id, now, LEASE_S, max_attempts=3)


def give_back(database: Database, job_id: str, work: parts.Work, value: float = 0.5) -> Job:
    scores = np.full((len(work.texts), 3), value, np.float32)
    with database.write() as session:
        return parts.give_back(session, job_id, work.number, Answer(scores, "v1"), NOW)


def test_a_job_is_done_when_every_part_came_back_and_its_result_keeps_the_order(database: Database) -> None:
    job_id = add_job(database)
    works = [take(database, job_id) for _ in TEXTS]
    assert [work.texts for work in works if work] == TEXTS
    assert take(database, job_id) is None
    for work in reversed(works):
        assert work
        job = give_back(database, job_id, work, work.number / 10)
    assert (job.state, job.done, job.total) == ("succeeded", 12, 12)
    with database.read() as session:
        answer = parts.result(session, job_id)
    assert answer.scores[:, 0] == pytest.approx(np.repeat([0.0, 0.1, 0.2, 0.3], 3))
    assert answer.model == "v1"


def test_answers_that_were_known_are_not_asked_for_again(database: Database) -> None:
    known = Answer(np.full((3, 3), 0.25, np.float32), "v0")
    job_id = add_job(database, answers=[known, None, known, None])
    works = [take(database, job_id), take(database, job_id), take(database, job_id)]
    assert [work and work.number for work in works] == [1, 3, None]


def test_a_part_is_leased_to_one_taker_only(database: Database) -> None:
    job_id = add_job(database)
    with ThreadPoolExecutor(8) as pool:
        works = list(pool.map(lambda _: take(database, job_id), range(16)))
    assert sorted(work.number for work in works if work) == [0, 1, 2, 3]


def test_a_part_whose_worker_fell_silent_goes_to_another_and_counts_once(database: Database) -> None:
    job_id = add_job(database)
    lost = take(database, job_id)
    later = NOW + timedelta(seconds=LEASE_S + 1)
    again = take(database, job_id, later)
    assert lost
    assert again
    assert (again.number, again.attempt) == (lost.number, 2)
    give_back(database, job_id, again, 0.1)
    assert give_back(database, job_id, lost, 0.9).done == 3


def test_a_worker_that_is_slow_and_not_dead_keeps_its_part(database: Database) -> None:
    job_id = add_job(database)
    work = take(database, job_id)
    assert work
    now = NOW
    for _ in range(5):
        now += timedelta(seconds=LEASE_S * 0.6)
        with database.write() as session:
            assert parts.renew(session, job_id, work.number, now, LEASE_S)
    following = take(database, job_id, now)
    assert following
    assert following.number == 1
    give_back(database, job_id, work)
    with database.write() as session:
        assert not parts.renew(session, job_id, work.number, now, LEASE_S)
        jobs.cancel(session, job_id, now)
        assert not parts.renew(session, job_id, following.number, now, LEASE_S)


def test_a_part_that_kills_its_workers_is_parked_and_can_be_retried(database: Database) -> None:
    job_id = add_job(database)
    now = NOW
    for _ in range(3):
        assert take(database, job_id, now)
        now += timedelta(seconds=LEASE_S + 1)
    assert take(database, job_id, now) is None
    with database.read() as session:
        job = jobs.get(session, job_id)
        assert job.error
        assert (job.state, job.error["title"]) == ("failed", "parked")
        assert "parked" in jobs.log_tail(session, job_id)[-1].line
    with database.write() as session:
        jobs.retry(session, job_id, now, LEASE_S)
    work = take(database, job_id, now)
    assert work
    assert work.attempt == 1


def test_retry_keeps_what_was_done(database: Database) -> None:
    job_id = add_job(database)
    work = take(database, job_id)
    assert work
    give_back(database, job_id, work)
    with database.write() as session:
        jobs.cancel(session, job_id, NOW)
        assert jobs.retry(session, job_id, NOW, LEASE_S).done == 3
    following = take(database, job_id)
    assert following
    assert following.number == 1


def test_a_cancelled_job_gives_no_work_and_takes_no_scores(database: Database) -> None:
    job_id = add_job(database)
    work = take(database, job_id)
    assert work
    with database.write() as session:
        jobs.cancel(session, job_id, NOW)
        jobs.cancel(session, job_id, NOW)
    assert take(database, job_id) is None
    assert give_back(database, job_id, work).state == "cancelled"


def test_only_what_can_be_cancelled_or_retried_is(database: Database) -> None:
    job_id = add_job(database)
    with database.write() as session, pytest.raises(Conflict, match="only a failed or cancelled"):
        jobs.retry(session, job_id, NOW, LEASE_S)
    while work := take(database, job_id):
        give_back(database, job_id, work)
    with database.write() as session, pytest.raises(Conflict, match="already succeeded"):
        jobs.cancel(session, job_id, NOW)
    with database.write() as session, pytest.raises(NotFound):
        jobs.cancel(session, "nobody", NOW)


def test_the_result_of_an_unfinished_job_is_a_conflict(database: Database) -> None:
    job_id = add_job(database)
    with database.read() as session, pytest.raises(Conflict, match="is queued"):
        parts.result(session, job_id)


def test_a_job_without_a_sign_of_life_is_reclaimed_once_per_lease(database: Database) -> None:
    job_id = add_job(database)
    later = NOW + timedelta(seconds=LEASE_S + 1)
    with database.write() as session:
        assert jobs.reclaim_lost(session, NOW, LEASE_S, jobs.SCORED) == []
        assert [job.id for job in jobs.reclaim_lost(session, later, LEASE_S, jobs.SCORED)] == [job_id]
        assert jobs.reclaim_lost(session, later, LEASE_S, jobs.SCORED) == []


def test_an_idempotency_key_names_one_request(database: Database) -> None:
    job_id = add_job(database, key="k")
    with database.read() as session:
        found = jobs.by_idempotency_key(session, "me", "k", "h")
        assert found
        assert found.id == job_id
        assert jobs.by_idempotency_key(session, "somebody else", "k", "h") is None
        with pytest.raises(Conflict, match="another request"):
            jobs.by_idempotency_key(session, "me", "k", "other")


def test_pages_of_jobs_hold_each_job_once_newest_first(database: Database) -> None:
    ids = {add_job(database) for _ in range(7)}
    seen: list[str] = []
    after = None
    with database.read() as session:
        while page := jobs.page(session, None, None, after, 3):
            seen += [job.id for job in page]
            after = (page[-1].created_at, page[-1].id)
        assert jobs.page(session, "running", None, None, 3) == []
        assert jobs.page(session, None, "training", None, 3) == []
        assert jobs.counts(session) == {"queued": 7}
    assert len(seen) == 7
    assert set(seen) == ids


def test_old_jobs_are_deleted_with_their_texts(database: Database) -> None:
    old, running = add_job(database), add_job(database)
    with database.write() as session:
        jobs.cancel(session, old, NOW)
    assert jobs.purge(database, NOW + timedelta(days=29), keep_days=30) == 0
    assert jobs.purge(database, NOW + timedelta(days=31), keep_days=30) == 1
    with database.read() as session:
        assert jobs.get(session, running).state == "queued"
        assert session.get(Part, (old, 0)) is None
        assert session.get(Part, (running, 0))
        with pytest.raises(NotFound):
            jobs.get(session, old)


def test_the_eta_is_what_is_left_at_the_rate_so_far(database: Database) -> None:
    job_id = add_job(database)
    work = take(database, job_id)
    assert work
    job = give_back(database, job_id, work)
    assert jobs.eta_s(job, NOW + timedelta(seconds=10)) == 30.0


def test_texts_are_cut_by_number_and_by_length() -> None:
    assert [len(part) for part in parts.cut(["x"] * 600)] == [256, 256, 88]
    assert [len(part) for part in parts.cut(["x" * 25_000] * 130)] == [64, 64, 2]
    assert parts.cut([]) == []


def test_a_key_opens_until_it_is_revoked_and_its_secret_is_not_kept(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        key, secret = keys.create(session, "report", Role.viewer, NOW)
    with database.read() as session:
        found = keys.find(session, secret, NOW)
        assert found
        assert found.name == "report"
        assert keys.find(session, "ovh_wrong", NOW) is None
    assert secret.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    with database.write() as session:
        keys.revoke(session, key.id, NOW)
        assert keys.find(session, secret, NOW) is None
        assert keys.living(session) == []
        with pytest.raises(NotFound):
            keys.revoke(session, "nobody", NOW)


def test_a_rotated_key_opens_by_its_new_secret_and_for_a_while_by_the_old_one(either: Database) -> None:
    hour = timedelta(hours=1)
    with either.write() as session:
        key, first = keys.create(session, "report", Role.viewer, NOW)
        _, second = keys.rotate(session, key.id, hour, NOW)
        assert keys.find(session, second, NOW) is keys.find(session, first, NOW) is key
        assert keys.find(session, first, NOW + hour) is None
        _, third = keys.rotate(session, key.id, timedelta(0), NOW)
        opens = [keys.find(session, secret, NOW) is key for secret in (first, second, third)]
    assert opens == [False, False, True]
    with either.write() as session:
        keys.revoke(session, key.id, NOW)
        with pytest.raises(NotFound):
            keys.rotate(session, key.id, hour, NOW)


def test_a_rotated_key_ends_the_sessions_of_its_old_secret_with_it(either: Database) -> None:
    hour = timedelta(hours=1)
    with either.write() as session:
        key, first = keys.create(session, "report", Role.viewer, NOW)
        keys.rotate(session, key.id, hour, NOW)
        held = keys.digest(first)
        assert keys.find_signed_in(session, key.id, held, NOW) is key
        assert keys.find_signed_in(session, key.id, held, NOW + hour) is None


def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    with database.write() as writer:
        keys.create(writer, "half made", Role.viewer, NOW)
        writer.flush()
        with database.read() as reader:
            assert keys.living(reader) == []


def test_migrations_lead_up_to_the_tables_and_down_to_nothing(empty_url: str) -> None:
    migrate(empty_url)
    engine = Database(empty_url).engine
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Table.metadata) == []
    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_hours_of_an_older_format_are_counted_anew_where_all_their_posts_are_kept(empty_url: str) -> None:
    migrate(empty_url, "0004")
    database = Database(empty_url)
    whole, purged = NOW, NOW - timedelta(days=40)
    with database.write() as session:
        session.add(Brand(id=1, name="Zephyr", name_key="zephyr", spec={}, created_at=NOW, updated_at=NOW))
        for number, at in enumerate((whole, whole + timedelta(minutes=59), purged), start=1):
            post = {"source": "x", "external_id": str(number), "text": "The Zephyr boils", "details": {}}
            session.add(Post(id=number, posted_at=at, heard_at=at, **post))
            session.flush()
            session.add(Mention(brand_id=1, posted_at=at, post_id=number, source="x"))
        called, sums = (", ".join(f"{kind}_{name}" for name in LABELS) for kind in ("called", "sum"))
        old = f"INSERT INTO hours (brand_id, hour, source, model, posts, {called}, {sums}, reach, moments)"
        for at in (whole, purged):
            values = {"hour": int(at.timestamp()) // 3600, "moments": b"of an older format"}
            session.execute(text(f"{old} VALUES (1, :hour, 'x', 'm1', 2, 0, 0, 2, 0, 0, 2, 0, :moments)"), values)
    migrate(empty_url)
    with database.read() as session:
        assert list(session.scalars(select(DirtyHour.hour))) == [whole]
        rows = session.scalars(select(Hour).order_by(Hour.hour)).all()
    assert [(row.hour, row.language, row.posts, row.called_positive) for row in rows] == [
        (purged, "", 2, 2),
        (whole, "", 2, 2),
    ]
    assert Moments.unpack([row.moments for row in rows]).sum().posts == 0
    database.engine.dispose()


def test_migrating_at_once_from_many_places_works(empty_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: migrate(empty_url), range(4)))


def test_a_damaged_database_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_text("no database" * 1000)
    with pytest.raises(StackError, match=r"bad\.db: file is not a database$"):
        migrate(f"sqlite:///{tmp_path / 'bad.db'}")
