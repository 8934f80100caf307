"""What a worker process holds, built once: settings, database, Redis, and in a scoring worker the loaded model."""

from dataclasses import dataclass
from functools import cache

from redis import Redis

from overheard.registry import locate
from overheard.scoring.batcher import Batcher
from overheard.scoring.load import load_engine
from overheard.scoring.turns import Turns
from overheard.settings import Settings
from overheard.store.database import Database

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
def batcher() -> Batcher:
    """The model in service. Raises BundleError, and SettingsError when the device can't be had."""
    settings = get().settings
    bundle = locate(settings.first_model, settings.models, settings.first_model_labels)
    return Batcher(load_engine(bundle, settings), cache_bytes=settings.score_cache_bytes)


@cache
def turns() -> Turns:
    return Turns(BULK_SLOTS)
