"""Databases for the tests: SQLite in a file, and a PostgreSQL server of our own where its programs are installed."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

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
def postgres_server() -> Iterator[str]:
    """A fresh server on a free port; yields its URL."""
    with PostgresServer() as server:
        yield server.url


class PostgresServer:
    """From `with` to its end, or until it is stopped. It refuses to run as root: then another user runs it."""

    def __init__(self) -> None:
        programs = postgres_programs()
        assert programs, "PostgreSQL's programs are not installed"
        self._programs, self._port = programs, free_port()
        self._user = _other_user() if os.geteuid() == 0 else None
        self.url = f"postgresql+psycopg://{SUPERUSER}@127.0.0.1:{self._port}/postgres"

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory(prefix="postgres-")  # pytest's folders are closed to other users
        if self._user:
            os.chown(self._folder.name, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._folder.cleanup()

    def start(self) -> None:
        options = f"-p {self._port} -h 127.0.0.1 -k '' -c shared_buffers=64MB"
        self._run("pg_ctl", "-l", f"{self._folder.name}/log", "-w", "-o", options, "start")

    def stop(self) -> None:
        """As a kill would: it recovers from its log at the next start."""
        self._run("pg_ctl", "-m", "immediate", "-w", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", self._folder.name, *arguments]
        user = self._user and self._user.pw_uid
        done = subprocess.run(command, capture_output=True, text=True, user=user, cwd="/", check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


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
        return self._create("postgres")

    def empty(self) -> str:
        """URL of a new database without tables."""
        return self._create("template0")

    def _create(self, template: str) -> str:
        self._made += 1
        name = f"test{self._made}"
        with self._template.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        return self._named(name)

    def close(self) -> None:
        self._template.engine.dispose()

    def _named(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)
