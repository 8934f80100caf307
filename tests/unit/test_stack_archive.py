"""A state folder in one file: written while its databases are written to, restored elsewhere."""

import io
import sqlite3
import stat
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import pytest

from overheard.errors import StackError
from overheard.settings import Settings
from overheard.stack import archive
from overheard.store.database import migrate


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With a database, a version, a secret, and what a backup leaves out."""
    folder = tmp_path / "home"
    for name, text in {
        "secret": "a secret of ours",
        "models/versions/abc/manifest.json": "{}",
        "models/versions/.abc-draft/abc/model.onnx": "half",
        "models/converted-0/manifest.json": "{}",
        "logs/api.log": "said",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "secret").chmod(0o600)
    migrate(settings(folder).sql_url)
    return folder


def settings(home: Path, **more: object) -> Settings:
    return Settings(home=home, **more)


def rows(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM pairs").fetchone()[0])


def test_what_was_backed_up_is_there_again_in_an_empty_folder(home: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "out.tar", tmp_path / "other"
    assert archive.write(settings(home), out) == ["overheard.db", "secret", "models/versions"]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert archive.restore(settings(other), out) == ["overheard.db", "secret", "models/versions"]
    assert (other / "secret").read_text() == "a secret of ours"
    assert stat.S_IMODE((other / "secret").stat().st_mode) == 0o600
    kept = sorted(str(path.relative_to(other)) for path in other.rglob("*") if path.is_file())
    assert kept == ["models/versions/abc/manifest.json", "overheard.db", "secret"]


def test_a_backup_beside_a_writer_holds_whole_transactions_only(home: Path, tmp_path: Path) -> None:
    database, stop = home / "overheard.db", threading.Event()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE pairs (n INTEGER)")

    def write_pairs() -> None:
        with closing(sqlite3.connect(database, timeout=10)) as connection:
            while not stop.is_set():
                with connection:
                    connection.executemany("INSERT INTO pairs VALUES (?)", [(1,), (2,)])

    writer = threading.Thread(target=write_pairs)
    writer.start()
    try:
        counts = []
        for n in range(5):
            archive.write(settings(home), tmp_path / "out.tar")
            archive.restore(settings(tmp_path / f"copy{n}"), tmp_path / "out.tar")
            counts.append(rows(tmp_path / f"copy{n}" / "overheard.db"))
    finally:
        stop.set()
        writer.join()
    assert all(count % 2 == 0 for count in counts)
    assert counts[-1] > 0


def test_a_database_elsewhere_is_not_in_the_backup(home: Path, tmp_path: Path) -> None:
    elsewhere = settings(home, database_url="postgresql+psycopg://user@host/name")
    assert archive.lacks_database(elsewhere)
    assert "overheard.db" not in archive.write(elsewhere, tmp_path / "out.tar")


def test_a_folder_with_a_database_is_not_written_over(home: Path, tmp_path: Path) -> None:
    archive.write(settings(home), tmp_path / "out.tar")
    with pytest.raises(StackError, match="is there already"):
        archive.restore(settings(home), tmp_path / "out.tar")


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "models/versions/../../../outside", "bin/something"])
def test_a_foreign_archive_is_refused_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.tar"
    with tarfile.open(foreign, "w") as tar:
        for member in ("models/versions/a", name):
            tar.addfile(tarfile.TarInfo(member), io.BytesIO())
    with pytest.raises(StackError, match="no backup"):
        archive.restore(settings(tmp_path / "home"), foreign)
    assert list(tmp_path.iterdir()) == [foreign]


def test_a_backup_that_can_not_be_written_leaves_the_one_before(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tar"
    out.write_text("the one before")
    (home / "overheard.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(StackError, match="can't be written"):
        archive.write(settings(home), out)
    assert out.read_text() == "the one before"
    assert [path.name for path in tmp_path.iterdir() if path != home] == ["out.tar"]
