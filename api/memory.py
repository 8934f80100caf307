"""What calls were answered: the same call, sent again under its Idempotency-Key, gets the same answer."""

import hashlib
import json
import logging
from typing import Any, Final

from redis import Redis, RedisError

from overheard.errors import Conflict

REMEMBERED_S: Final = 86_400
log = logging.getLogger(__name__)


class Memory:
    """Of one call, for a day, in Redis. While that is away nothing is remembered, and nothing refused.

    place: the Redis key, or empty for a call without an Idempotency-Key, which is not remembered.
    """

    def __init__(self, redis: Redis, place: str, raw: bytes) -> None:
        self._redis, self._place = redis, place
        self._body_hash = hashlib.sha256(raw).hexdigest()

    def recall(self) -> dict[str, Any] | None:
        """Raises Conflict when another body came under the key."""
        try:
            said: Any = self._redis.get(self._place) if self._place else None
        except RedisError as error:
            log.warning("no answer is remembered: %s", error)
            return None
        if said is None:
            return None
        body_hash, answer = json.loads(said)
        if body_hash != self._body_hash:
            raise Conflict("this Idempotency-Key came with another body before")
        return dict(answer)

    def keep(self, answer: dict[str, Any]) -> None:
        try:
            if self._place:
                self._redis.set(self._place, json.dumps([self._body_hash, answer]), ex=REMEMBERED_S)
        except RedisError as error:
            log.warning("an answer is not kept: %s", error)
