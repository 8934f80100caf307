"""The transport of the queue: an entry that is no message of ours is parked, and stops nobody.

kombu takes for granted that whatever lies in a list is a message. Anything else ends the worker that reads it, with all
that it has in hand. What is a message, but of a task that nobody knows, or with arguments that don't fit, is parked by
`worker.careful`.
"""

import json
import logging
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from redis import Redis
from redis.connection import Connection

from worker.names import PARKED, PARKED_COUNT

KEPT: Final = 1000
"""The newest; more only tell the same."""
KEPT_S: Final = 7 * 86_400
MOST_BYTES: Final = 65_536
"""Of a message that is larger its facts alone are kept."""
log = logging.getLogger(__name__)


class Client(Redis):
    """Hands out what is a message alone."""

    def parse_response(self, connection: Connection, command_name: str, **options: Any) -> Any:
        """Nothing, as if the list had been empty, when it was no message."""
        answer = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        if command_name != "BRPOP" or not answer or is_message(answer[1]):
            return answer
        queue, entry = answer
        park(self, entry, f"no message, on the queue {queue.decode()}")
        return None


def park(redis: Redis, body: bytes, reason: str, task: str = "", task_id: str = "") -> None:
    """As JSON, the newest first."""
    facts = {"at": datetime.now(UTC).isoformat(), "reason": reason, "task": task, "id": task_id, "bytes": len(body)}
    kept = b64encode(body).decode() if len(body) <= MOST_BYTES else None
    with redis.pipeline() as pipe:
        pipe.incr(PARKED_COUNT)
        pipe.lpush(PARKED, json.dumps({**facts, "body": kept}))
        pipe.ltrim(PARKED, 0, KEPT - 1)
        pipe.expire(PARKED, KEPT_S)
        pipe.execute()
    log.error("parked %d bytes in %s: %s (task %r, id %r)", len(body), PARKED, reason, task, task_id)


class Channel(kombu_redis.Channel):
    def _get_client(self) -> type[Redis]:
        return Client


class Transport(kombu_redis.Transport):
    Channel = Channel


def use() -> None:
    """Have kombu take it for every redis:// and rediss://."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:{Transport.__name__}"))


def is_message(entry: bytes) -> bool:
    """Whether it has all that Celery's worker reads of a message without asking."""
    try:
        told = json.loads(entry)
        headers, properties = told["headers"], told["properties"]
        delivery = properties["delivery_info"]
        words = (headers["task"], headers["id"], properties["delivery_tag"], told["body"], told["content-type"])
        places = (delivery["exchange"], delivery["routing_key"])
        b64decode(told["body"], validate=True) if properties["body_encoding"] == "base64" else told["body"]
    except (LookupError, TypeError, ValueError):
        return False
    return all(isinstance(word, str) for word in (*words, *places))
