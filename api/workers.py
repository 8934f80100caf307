"""Which scoring workers live: they leave their heartbeats in Redis."""

import json
from dataclasses import dataclass
from typing import cast

from redis import Redis

from worker import names


@dataclass(frozen=True)
class Heartbeat:
    """worker: node name; model: the version that it serves; age_s: by Redis's clock."""

    worker: str
    model: str
    age_s: float


def living(redis: Redis) -> list[Heartbeat]:
    """Those that were heard of in the last HEARTBEAT_MAX_AGE_S seconds. Raises RedisError."""
    with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.hgetall(names.HEARTBEATS)
        (seconds, microseconds), said = cast("tuple[tuple[int, int], dict[bytes, bytes]]", pipe.execute())
    now = seconds + microseconds / 1e6
    facts = {worker.decode(): json.loads(value) for worker, value in said.items()}
    beats = [Heartbeat(worker, fact["model"], max(0.0, now - fact["at"])) for worker, fact in facts.items()]
    return [beat for beat in beats if beat.age_s <= names.HEARTBEAT_MAX_AGE_S]
