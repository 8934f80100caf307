"""Which scoring workers live, and what they tell of themselves: they leave their heartbeats in Redis."""

import json
import math
import time
from contextlib import suppress
from typing import Final, cast

from pydantic import BaseModel, ConfigDict
from redis import Redis, RedisError

from overheard.errors import ScoringUnavailable
from worker import names

FRESH_S: Final = 1.0
DOWN_RETRY_S: Final = 5
MAX_RETRY_S: Final = 3600


class Heartbeat(BaseModel):
    """worker: node name; model: the version that it serves; age_s: by Redis's clock; rate: texts/s when it is busy."""

    model_config = ConfigDict(frozen=True)

    worker: str
    model: str
    age_s: float
    rate: float = 0
    cache_lookups: int = 0
    cache_hits: int = 0
    cache_bytes: int = 0


def living(redis: Redis) -> list[Heartbeat]:
    """Those that were heard of in the last HEARTBEAT_MAX_AGE_S seconds. Raises RedisError."""
    with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.hgetall(names.HEARTBEATS)
        (seconds, microseconds), said = cast("tuple[tuple[int, int], dict[bytes, bytes]]", pipe.execute())
    now = seconds + microseconds / 1e6
    facts = {worker.decode(): json.loads(value) for worker, value in said.items()}
    beats = [Heartbeat(worker=w, age_s=max(0.0, now - fact.pop("at")), **fact) for w, fact in facts.items()]
    return [beat for beat in beats if beat.age_s <= names.HEARTBEAT_MAX_AGE_S]


class Crew:
    """The scoring workers as this process knows them: for those who can't wait for Redis, as of a second ago."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._known: list[Heartbeat] = []
        self._looked_at = -math.inf

    def living(self) -> list[Heartbeat]:
        """As of now. Raises ScoringUnavailable when Redis does not answer."""
        try:
            self._known = living(self._redis)
        except RedisError as error:
            raise ScoringUnavailable("Redis does not answer", DOWN_RETRY_S) from error
        self._looked_at = time.monotonic()
        return self._known

    def count(self) -> int:
        return len(self._recent())

    def seconds_for(self, messages: int) -> int:
        """How long they take for so many at the rate that they measured; a guess before they have measured any."""
        rate = sum(beat.rate for beat in self._recent())
        return min(max(1, math.ceil(messages / rate)), MAX_RETRY_S) if rate else DOWN_RETRY_S

    def _recent(self) -> list[Heartbeat]:
        if time.monotonic() - self._looked_at > FRESH_S:
            self._looked_at = time.monotonic()  # one caller looks, the others need not wait
            with suppress(ScoringUnavailable):  # whoever sends will notice
                self.living()
        return self._known
