"""Engine, sessions and migrations for SQLite (WAL) and PostgreSQL."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import sessionmaker

from overheard.errors import StackError

BUSY_TIMEOUT_MS = 10_000
MIGRATION_LOCK = 0x0EA5D  # any number, the same for all who migrate a PostgreSQL database


class Database:
    """A process's door to the database: `with database.write() as session` commits at the end, `read()` only reads.

    On SQLite a writer takes the write lock at its start and waits for other writers; a reader never waits.
    """

    def __init__(self, url: str) -> None:
        # Parameters hold texts, and errors are logged.
        self.engine = create_engine(url, pool_pre_ping=True, hide_parameters=True)
        readers = self.engine.execution_options(reads_only=True)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", _begin)
        self.write = sessionmaker(self.engine, expire_on_commit=False).begin
        self.read = sessionmaker(readers, expire_on_commit=False).begin


def _begin(connection: Connection) -> None:
    reads = connection.get_execution_options().get("reads_only")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: an upgraded read lock would fail at once
    for pragma in ("journal_mode=WAL", f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=ON", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def migrate(url: str, revision: str = "head") -> None:
    """Bring the tables to `revision`, one process at a time. Raises StackError when the database can't be used."""
    from alembic import command  # a tenth of a second that only this function needs
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    engine = Database(url).engine
    try:
        with _migration_lock(url), engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    except (DBAPIError, OSError) as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        raise StackError(f"database {make_url(url).render_as_string()}: {reason}") from error
    finally:
        engine.dispose()


def exists(url: str) -> bool:
    """Whether there is a database with our tables: not where nothing was ever started."""
    path = make_url(url).database if url.startswith("sqlite") else None
    if path and not Path(path).exists():
        return False
    engine = Database(url).engine
    try:
        with engine.execution_options(reads_only=True).connect() as connection:
            return inspect(connection).has_table("champion")
    except DBAPIError:
        return False
    finally:
        engine.dispose()


def is_full(error: DBAPIError) -> bool:
    """Whether there was no room left to write to."""
    reason = error.orig
    return getattr(reason, "sqlite_errorname", "") == "SQLITE_FULL" or getattr(reason, "sqlstate", "") == "53100"


@contextmanager
def _migration_lock(url: str) -> Iterator[None]:
    """SQLite's own lock is given up between Alembic's steps, so a file beside the database is locked."""
    path = make_url(url).database if url.startswith("sqlite") else None
    if not path or path == ":memory:":
        yield
        return
    with Path(f"{path}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
