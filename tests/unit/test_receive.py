"""Files become jobs, or nothing: on a real SQLite file, without a server."""

import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError

from overheard.batches.receive import receive
from overheard.batches.results import write_results
from overheard.errors import Conflict, DataError, NoRoom, NotFound
from overheard.settings import Settings
from overheard.store import batches, jobs, parts
from overheard.store.batches import Rejects, Upload
from overheard.store.database import Database
from overheard.store.tables.work import Job, Part, PartRows

LEASE_S = 30


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, lease_s=LEASE_S)


def said(key: str | None = None, kind: str = "csv") -> Upload:
    return Upload("me", key, "h", f"posts.{kind}", kind, "text", "")  # type: ignore[arg-type]


def csv_file(tmp_path: Path, rows: int, text: str = "a post about nothing") -> Path:
    path = tmp_path / "spooled"
    path.write_text("text,id\n" + "".join(f"{text} {n},{n}\n" for n in range(rows)))
    return path


def test_a_file_that_would_take_the_last_of_the_disk_is_refused(database: Database, tmp_path: Path) -> None:
    careful = Settings(home=tmp_path, lease_s=LEASE_S, keep_free_bytes=10**18)
    with pytest.raises(NoRoom, match="OVERHEARD_KEEP_FREE_BYTES"):
        receive(database, careful, csv_file(tmp_path, 10), said())
    with database.read() as session:
        assert session.scalar(select(Job)) is None


def sizes(database: Database, job_id: str) -> list[int]:
    with database.read() as session:
        return list(session.scalars(select(Part.size).where(Part.job_id == job_id).order_by(Part.number)))


def score_all(database: Database, job_id: str) -> None:
    """Each text's score tells its number, in thousandths."""
    now = datetime.now(UTC)
    while True:
        with database.write() as session:
            work = parts.take(session, job_id, now, LEASE_S, 3)
        if work is None:
            return
        values = [int(text.split()[-1]) / 1000 for text in work.texts]
        answer = parts.Answer(np.array([[value, 0, 0] for value in values], np.float32), "v1")
        with database.write() as session:
            parts.give_back(session, job_id, work.number, answer, now)


def test_parts_hold_at_most_a_thousand_rows_and_what_is_scored_within_two_seconds(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    short = receive(database, settings, csv_file(tmp_path, 2048, "x"), said())
    assert sizes(database, short) == [1000, 1000, 48]
    long = receive(database, settings, csv_file(tmp_path, 130, "x" * 5000), said())
    assert sizes(database, long) == [64, 64, 2]


def test_rows_without_text_are_done_before_anything_is_scored(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "spooled"
    path.write_text("text,id\n" + " ,1\n" * 1000 + "fine 5,2\n,3\n")
    job_id = receive(database, settings, path, said())
    with database.read() as session:
        job = jobs.get(session, job_id)
    assert (job.state, job.stage, job.done, job.total) == ("queued", "queued", 1000, 1002)
    score_all(database, job_id)
    out = BytesIO()
    out.close = lambda: None  # type: ignore[method-assign]
    write_results(database, job_id, "jsonl", out)
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(rows) == 1002
    assert [row["negative"] for row in rows[-3:]] == [None, 0.005, None]


def test_results_need_no_more_memory_than_a_few_parts(database: Database, settings: Settings, tmp_path: Path) -> None:
    job_id = receive(database, settings, csv_file(tmp_path, 30_000), said())
    score_all(database, job_id)

    class Sink(BytesIO):
        length = 0

        def write(self, data: bytes, /) -> int:  # type: ignore[override]
            self.length += len(data)
            return len(data)

    sink = Sink()
    tracemalloc.start()
    write_results(database, job_id, "csv", sink)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sink.length > 1_000_000
    assert peak < 10_000_000


def test_a_full_database_refuses_the_file_and_keeps_nothing_of_it(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    with database.read() as session:
        pages = session.connection().exec_driver_sql("PRAGMA page_count").scalar_one()
    database.engine.dispose()
    event.listen(
        database.engine, "connect", lambda connection, _: connection.execute(f"PRAGMA max_page_count={pages + 60}")
    )
    with pytest.raises(NoRoom, match="database is full"):
        receive(database, settings, csv_file(tmp_path, 50_000), said())
    with database.read() as session:
        assert [session.scalar(select(table)) for table in (Job, Part, PartRows)] == [None] * 3


def test_a_key_that_made_a_job_makes_no_other(database: Database, settings: Settings, tmp_path: Path) -> None:
    receive(database, settings, csv_file(tmp_path, 5), said("k"))
    with pytest.raises(IntegrityError):
        receive(database, settings, csv_file(tmp_path, 5), said("k"))
    with database.read() as session:
        assert len(session.scalars(select(Job)).all()) == 1


def test_what_a_dead_receiver_left_is_deleted_once_its_lease_is_over_and_never_worked_on(database: Database) -> None:
    now = datetime.now(UTC)
    with database.write() as session:
        job = batches.begin(session, said("k"), 3, Rejects(), now, LEASE_S)
        batches.add_parts(session, job.id, 0, [batches.NewPart(3, ["a", "b", "c"], b"rows")], now, LEASE_S)
    later = now + timedelta(seconds=LEASE_S + 1)
    with database.write() as session:
        assert jobs.reclaim_lost(session, later, LEASE_S, jobs.SCORED) == []
        assert parts.take(session, job.id, now, LEASE_S, 3) is None
        with pytest.raises(Conflict, match="still being received"):
            jobs.cancel(session, job.id, now)
    assert jobs.drop_abandoned(database, now) == 0
    assert jobs.drop_abandoned(database, later) == 1
    with database.write() as session, pytest.raises(NotFound):
        batches.complete(session, job.id, 1, later, LEASE_S)
    with database.read() as session:
        assert [session.scalar(select(table)) for table in (Job, Part, PartRows)] == [None] * 3


def test_a_file_that_can_not_be_read_is_called_by_its_own_name_and_leaves_nothing(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "spooled"
    path.write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"^posts\.parquet is not a Parquet file"):
        receive(database, settings, path, said(kind="parquet"))
    with database.read() as session:
        assert session.scalar(select(Job)) is None


def test_results_of_a_batch_that_is_deleted_meanwhile_end_with_an_error(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    job_id = receive(database, settings, csv_file(tmp_path, 20_000), said())
    score_all(database, job_id)
    found = batches.scored(database, job_id)
    next(found)
    jobs.remove(database, job_id)
    with pytest.raises(NotFound):
        list(found)


def test_the_rate_counts_only_what_was_done_since_the_last_start(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    job_id = receive(database, settings, csv_file(tmp_path, 2000, "x"), said())
    now = datetime.now(UTC)
    answer = parts.Answer(np.zeros((1000, 3), np.float32), "v1")
    with database.write() as session:
        parts.take(session, job_id, now, LEASE_S, 3)
        parts.give_back(session, job_id, 0, answer, now)
        jobs.cancel(session, job_id, now)
        jobs.retry(session, job_id, now, LEASE_S)
    again = now + timedelta(hours=1)
    with database.write() as session:
        parts.take(session, job_id, again, LEASE_S, 3)
        job = jobs.get(session, job_id)
        assert (job.done, jobs.rate(job, again + timedelta(seconds=5)), jobs.eta_s(job, again)) == (1000, None, None)
        parts.give_back(session, job_id, 1, answer, again + timedelta(seconds=10))
        assert jobs.rate(job, again) == pytest.approx(100)
