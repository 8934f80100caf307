"""What Redis tells of the installation: who lives, what waits, when Beat last sent anything."""

from datetime import UTC, datetime
from typing import Final

from redis import Redis, RedisError

from beat_schedule import TIMETABLE
from overheard.alerts.facts import Seen
from worker import names, timetable
from worker.living import heard_of

HASHES: Final = {
    "scoring": names.HEARTBEATS,
    "training": names.TRAINERS,
    "housekeeping": names.HOUSEKEEPERS,
}
"""Kind of worker -> where those leave their heartbeats."""


def seen(redis: Redis) -> Seen:
    """As of now. Redis that does not answer is told, too."""
    try:
        living = {kind: len(heard_of(redis, key)) for kind, key in HASHES.items()}
        with redis.pipeline(transaction=False) as pipe:
            queues = sorted(set(names.QUEUES.values()))
            for queue in queues:
                pipe.llen(queue)
            lengths = dict(zip(queues, map(int, pipe.execute()), strict=True))
        return Seen(is_reached=True, living=living, queues=lengths, beat_at=_beat_at())
    except RedisError:
        return Seen(is_reached=False)


def _beat_at() -> datetime | None:
    """When Beat last sent one of its ticks. None: it never did."""
    now = datetime.now(UTC)
    sent = [timetable.times(name, now).last_run_at for name, entry in TIMETABLE.items() if entry.is_tick]
    return max((at for at in sent if at is not None), default=None)
