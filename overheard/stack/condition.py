"""What `overheard doctor` looks at in the state folder: secrets, schema, and the stack that runs there."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx2
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from overheard import store
from overheard.errors import OverheardError
from overheard.settings import Settings
from overheard.stack import checks, processes, programs, resp
from overheard.stack.checks import Finding
from overheard.stack.home import FOLDERS

SECRETS = ("api_key", "stack.json", "run/redis.conf", "run/redis.json", "run/supervisord.json")
PROBES = {"api": "/health/ready", "flower": "/healthcheck", "mlflow": "/health"}


def folder(settings: Settings) -> Iterator[Finding]:
    """Whether the state folder and its parts can be written to."""
    home = settings.home
    there = next(path for path in (home, *home.parents) if path.exists())
    parts = [home / name for name in FOLDERS if (home / name).exists()]
    bad = [path for path in (there, *parts) if not (path.is_dir() and os.access(path, os.W_OK | os.X_OK))]
    if bad:
        detail = f"{bad[0]} is not a folder that you may write to"
        yield Finding("state folder", "problem", detail, "make it one, or set OVERHEARD_HOME to another place")
    else:
        yield Finding("state folder", "ok", str(home) if there == home else f"{home} is made at the first start")


def secrets(settings: Settings) -> Iterator[Finding]:
    """Whether keys and passwords are ours alone."""
    files = [settings.home / name for name in SECRETS if (settings.home / name).exists()]
    for path in files:
        if path.stat().st_mode & 0o077:
            yield Finding("secrets", "problem", f"others may read {path}", f"chmod 600 {path}")
            return
    if not settings.api_key and not settings.is_loopback:
        detail = f"no API key, and OVERHEARD_HOST={settings.host} can be reached from other machines"
        yield Finding("secrets", "problem", detail, "set OVERHEARD_API_KEY to a secret of at least 16 characters")
    else:
        yield Finding("secrets", "ok", f"{len(files)} files, readable by you alone")


def schema(settings: Settings) -> Iterator[Finding]:
    """Whether the database answers and has the tables of this version."""
    file = checks.sqlite_file(settings)
    if file and not file.exists():
        yield Finding("tables", "ok", "the database is made at the first start")
        return
    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
    newest = ScriptDirectory.from_config(config).get_current_head()
    url = make_url(settings.sql_url)
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            present = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        detail = f"database {url.render_as_string()}: {reason}"
        yield Finding("tables", "problem", detail, "start it, or mend OVERHEARD_DATABASE_URL")
        return
    finally:
        engine.dispose()
    if present == newest:
        yield Finding("tables", "ok", f"revision {present}")
    else:
        yield Finding(
            "tables", "warning", f"revision {present} instead of {newest}", "they are migrated at the next start"
        )


def running(settings: Settings) -> Iterator[Finding]:
    """Whether the stack that runs in this home is well; the ports that it needs, where none does."""
    stack, alive = settings.running_stack, processes.of(settings.home)
    if not alive:
        members = programs.chosen(settings, None, set())
        yield from checks.listening(settings, members)
        yield Finding("stack", "ok", "does not run")
        return
    if not stack:
        detail = f"{len(alive)} processes of a stack that is starting, stopping or was killed"
        yield Finding("stack", "warning", detail, "wait a moment, or run `overheard down`")
        return
    for name, path in PROBES.items():
        if url := stack.get(f"{name}_url"):
            yield _answer(settings, name, f"{url}{path}")
    try:
        resp.info(stack["redis_url"])
        yield Finding("redis", "ok", "answers")
    except OverheardError as error:
        yield Finding("redis", "problem", str(error), f"see {settings.home / 'logs' / 'redis.log'}")


def _answer(settings: Settings, name: str, url: str) -> Finding:
    remedy = f"see the logs in {settings.home / 'logs'}, or run `overheard down` and `overheard up`"
    try:
        answer = httpx2.Client(timeout=5, trust_env=False).get(url)
    except httpx2.HTTPError as error:
        return Finding(name, "problem", f"{url} does not answer: {error}", remedy)
    if answer.status_code != 200:
        return Finding(name, "problem", f"{url} answers {answer.status_code}: {answer.text[:300]}", remedy)
    return Finding(name, "ok", f"{url} answers")
