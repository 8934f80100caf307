"""A worker's sign of life in Redis, for /health/ready, /train/start, and the rule that misses workers."""

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

from redis import Redis, RedisError

EVERY_S = 2
log = logging.getLogger(__name__)


class Heart:
    """Beats in a thread of its own from `start` to `stop`: leaves its `facts` in a hash, while there are any."""

    def __init__(self, redis: Redis, key: str, worker: str, facts: Callable[[], dict[str, Any] | None]) -> None:
        self._redis, self._key, self._worker, self._facts = redis, key, worker, facts
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye, so that readiness changes at once."""
        self._stopped.set()
        self._thread.join()
        try:
            self._redis.hdel(self._key, self._worker)
        except RedisError as error:
            log.warning("no goodbye: %s", error)

    def _run(self) -> None:
        while not self._stopped.is_set():
            if (facts := self._facts()) is not None:
                self._beat(facts)
            self._stopped.wait(EVERY_S)

    def _beat(self, facts: dict[str, Any]) -> None:
        try:
            seconds, microseconds = self._redis.time()  # one clock for all machines
            self._redis.hset(self._key, self._worker, json.dumps({"at": seconds + microseconds / 1e6, **facts}))
        except RedisError as error:
            log.warning("no heartbeat: %s", error)
