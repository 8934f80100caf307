"""What a worker process holds, built once: settings, database, Redis, and in a scoring worker the loaded model."""

import os
from dataclasses import dataclass
from functools import cache

from redis import Redis

from overheard.registry import locate
from overheard.scoring.batcher import Batcher
from overheard.scoring.onnx import OnnxEngine
from overheard.settings import Settings
from overheard.store.database import Database


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
    """The model in service. Raises BundleError."""
    settings = get().settings
    threads = settings.scoring_threads or len(os.sched_getaffinity(0))
    model = locate(settings.first_model, settings.models, settings.first_model_labels)
    return Batcher(OnnxEngine(model, threads))
