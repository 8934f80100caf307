"""A scoring worker's sign of life: written only while its batcher moves, read by /health/ready."""

import json
import logging
import threading

from redis import Redis, RedisError

from overheard.scoring.batcher import Batcher
from worker import names

EVERY_S = 2
STUCK_AFTER_S = 60  # a forward pass takes well under a second
log = logging.getLogger(__name__)


def living(redis: Redis) -> int:
    """How many scoring workers were heard of lately. Raises RedisError."""
    seconds, _ = redis.time()
    beats = [json.loads(beat) for beat in redis.hvals(names.HEARTBEATS)]
    return sum(seconds - beat["at"] <= names.HEARTBEAT_MAX_AGE_S for beat in beats)


class Heart:
    """Beats in a thread of its own from `start` to `stop`."""

    def __init__(self, redis: Redis, worker: str, batcher: Batcher) -> None:
        self._redis, self._worker, self._batcher = redis, worker, batcher
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye, so that readiness changes at once."""
        self._stopped.set()
        self._thread.join()
        try:
            self._redis.hdel(names.HEARTBEATS, self._worker)
        except RedisError as error:
            log.warning("no goodbye: %s", error)

    def _run(self) -> None:
        while not self._stopped.is_set():
            if self._batcher.alive and self._batcher.busy_s() < STUCK_AFTER_S:
                self._beat()
            self._stopped.wait(EVERY_S)

    def _beat(self) -> None:
        try:
            seconds, microseconds = self._redis.time()  # one clock for all machines
            beat = {"at": seconds + microseconds / 1e6, "model": self._batcher.engine.version}
            self._redis.hset(names.HEARTBEATS, self._worker, json.dumps(beat))
        except RedisError as error:
            log.warning("no heartbeat: %s", error)
