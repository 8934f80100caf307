"""What a worker process holds, built once: settings, database, Redis, and in a scoring worker the loaded model."""

from dataclasses import dataclass
from functools import cache

from redis import Redis

from overheard.privacy import Privacy
from overheard.scoring.turns import Turns
from overheard.secret import ensure_secret
from overheard.settings import Settings
from overheard.store.database import Database
from worker.serving import Serving
from worker.tally import Tally

BULK_SLOTS = 2
"""Slices of jobs at a time: while one is written to the database, the model works at the other."""


@dataclass(frozen=True)
class Context:
    settings: Settings
    database: Database
    redis: Redis


@cache
def get() -> Context:
    settings = Settings.load()
    redis = Redis.from_url(settings.broker_url, socket_timeout=10, socket_connect_timeout=5, health_check_interval=15)
    return Context(settings, Database(settings.sql_url), redis)


@cache
def serving() -> Serving:
    """The model in service. Raises BundleError, and SettingsError when the device can't be had."""
    return Serving(get().database, get().settings)


@cache
def tally() -> Tally:
    return Tally(get().database)


@cache
def privacy() -> Privacy:
    return Privacy(ensure_secret(get().settings), get().settings.keep_authors)


@cache
def turns() -> Turns:
    return Turns(BULK_SLOTS)
