"""What the API says when the process that receives an upload could not, through no fault of the file."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from api import batches as transfers
from api.batches import Spooled
from overheard.errors import ScoringUnavailable
from overheard.settings import Settings
from overheard.store.batches import Upload
from overheard.store.database import Database, migrate
from tests.stack import eventually, free_port

UPLOAD = Upload("me", None, "h", "posts.csv", "csv", "text", "")


@pytest.fixture
def spooled(tmp_path: Path) -> Iterator[Spooled]:
    path = tmp_path / "spooled"
    path.write_text("text\nfine\n")
    with path.open("rb") as file:
        yield Spooled(file, "posts.csv", "csv")


def test_a_database_that_is_away_is_no_bug_and_no_fault_of_the_file(tmp_path: Path, spooled: Spooled) -> None:
    settings = Settings(home=tmp_path, database_url=f"postgresql+psycopg://me@127.0.0.1:{free_port()}/none")
    with pytest.raises(ScoringUnavailable, match="the database does not answer") as refused:
        transfers.receive(spooled, UPLOAD, settings)
    assert refused.value.retry_after_s > 0


def test_an_upload_that_was_taken_for_abandoned_may_be_sent_again(tmp_path: Path, spooled: Spooled) -> None:
    settings = Settings(home=tmp_path)
    migrate(settings.sql_url)
    database = Database(settings.sql_url)
    with database.write() as session:  # as the reaper would, while the receiver is slow
        session.execute(text("CREATE TRIGGER reaper AFTER INSERT ON batches BEGIN DELETE FROM jobs; END"))
    with pytest.raises(ScoringUnavailable, match="send it again"):
        transfers.receive(spooled, UPLOAD, settings)
    database.engine.dispose()


def test_an_upload_whose_receiver_was_killed_may_be_sent_again(tmp_path: Path, spooled: Spooled) -> None:
    settings = Settings(home=tmp_path)
    migrate(settings.sql_url)
    with closing(sqlite3.connect(tmp_path / "overheard.db")) as writer, ThreadPoolExecutor(1) as pool:
        writer.execute("BEGIN IMMEDIATE")  # the receiver waits for it
        others = set(psutil.Process().children())  # servers of other tests
        receiving = pool.submit(transfers.receive, spooled, UPLOAD, settings)
        child = eventually(lambda: next(iter({*psutil.Process().children()} - others), None))
        child.kill()
        with pytest.raises(ScoringUnavailable, match="send it again"):
            receiving.result(30)
