"""Databases for the tests: SQLite in a file, and a PostgreSQL server of our own where its programs are installed."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url, text

from overheard.store.database import Database, migrate
from tests.stack import free_port

SUPERUSER = "overheard"


def postgres_programs() -> Path | None:
    """The folder of `initdb`: on PATH, or where Debian puts it."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """A fresh server on a free port; yields its URL. It refuses to run as root: then another user runs it."""
    programs = postgres_programs()
    assert programs, "PostgreSQL's programs are not installed"
    user = _other_user() if os.geteuid() == 0 else None
    data, port = folder / "data", free_port()
    data.mkdir(parents=True)
    if user:
        os.chown(data, user.pw_uid, user.pw_gid)
        for parent in [data, *data.parents][:-1]:  # pytest makes its folders private
            if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)

    def run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, user=user and user.pw_uid, cwd="/")

    run(str(programs / "initdb"), "-D", str(data), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-p {port} -h 127.0.0.1 -k '' -c shared_buffers=64MB"
    run(str(programs / "pg_ctl"), "-D", str(data), "-l", str(data / "log"), "-w", "-o", options, "start")
    try:
        yield f"postgresql+psycopg://{SUPERUSER}@127.0.0.1:{port}/postgres"
    finally:
        run(str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")


def _other_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


class Postgres:
    """A server whose databases are copies of one that was migrated once."""

    def __init__(self, url: str) -> None:
        self._url, self._made = make_url(url), 0
        migrate(self._named("postgres"))
        self._template = Database(self._named("template1"))

    def fresh(self) -> str:
        """URL of a new database with all tables."""
        self._made += 1
        name = f"test{self._made}"
        with self._template.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE postgres"))
        return self._named(name)

    def close(self) -> None:
        self._template.engine.dispose()

    def _named(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)
