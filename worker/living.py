"""Who was heard of lately: workers leave their heartbeats in Redis, the API and the reaper read them here."""

import json
import os
from typing import Any, cast

from redis import Redis

from worker import names


def heard_of(redis: Redis, key: str) -> dict[str, dict[str, Any]]:
    """What those told who were heard of within HEARTBEAT_MAX_AGE_S: by the worker's name, with its `age_s`.

    Ages are by Redis's clock. Raises RedisError.
    """
    with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.hgetall(key)
        (seconds, microseconds), said = cast("tuple[tuple[int, int], dict[bytes, bytes]]", pipe.execute())
    now = seconds + microseconds / 1e6
    told = {worker.decode(): json.loads(value) for worker, value in said.items()}
    aged = {worker: {"age_s": max(0.0, now - facts.pop("at")), **facts} for worker, facts in told.items()}
    return {worker: facts for worker, facts in aged.items() if facts["age_s"] <= names.HEARTBEAT_MAX_AGE_S}


def node(name: str) -> str:
    """What Celery and the heartbeats call a process on this machine: two of one name would be one to both."""
    return f"{name}@{os.uname().nodename}"
