"""Which scoring workers live, and what they tell of themselves: they leave their heartbeats in Redis."""

import math
import time
from contextlib import suppress
from typing import Final

from pydantic import BaseModel, ConfigDict
from redis import Redis, RedisError

from overheard.errors import ScoringUnavailable
from worker import names
from worker.living import heard_of

FRESH_S: Final = 1.0
DOWN_RETRY_S: Final = 5
MAX_RETRY_S: Final = 3600


class Heartbeat(BaseModel):
    """What a scoring worker tells of itself.

    worker: node name; model: the version that it serves; problem: why it serves no newer one; age_s: by Redis's clock;
    rate: texts/s when it is busy.
    """

    model_config = ConfigDict(frozen=True)

    worker: str
    model: str
    age_s: float
    problem: str = ""
    rate: float = 0
    cache_lookups: int = 0
    cache_hits: int = 0
    cache_bytes: int = 0


def living(redis: Redis) -> list[Heartbeat]:
    """Those that were heard of in the last HEARTBEAT_MAX_AGE_S seconds. Raises RedisError."""
    return [Heartbeat(worker=worker, **facts) for worker, facts in heard_of(redis, names.HEARTBEATS).items()]


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

    def trainers(self) -> list[str]:
        """The training workers, as of now. Raises ScoringUnavailable when Redis does not answer."""
        return self._heard_of(names.TRAINERS)

    def housekeepers(self) -> list[str]:
        """The workers that listen, count and alert. Raises ScoringUnavailable when Redis does not answer."""
        return self._heard_of(names.HOUSEKEEPERS)

    def _heard_of(self, key: str) -> list[str]:
        try:
            return list(heard_of(self._redis, key))
        except RedisError as error:
            raise ScoringUnavailable("Redis does not answer", DOWN_RETRY_S) from error

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
