"""The transport of the queue: an entry that is no message of ours is parked, and stops nobody.

kombu takes for granted that whatever lies in a list is a message. Anything else ends the worker that reads it, with all
that it has in hand. What is a message, but of a task that nobody knows, or with arguments that don't fit, Celery logs
and drops by itself.
"""

import json
import logging
from base64 import b64decode
from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from redis import Redis
from redis.connection import Connection

from worker.names import PARKED

KEPT: Final = 1000
log = logging.getLogger(__name__)


class Client(Redis):
    """Hands out what is a message alone."""

    def parse_response(self, connection: Connection, command_name: str, **options: Any) -> Any:
        """Nothing, as if the list had been empty, when it was no message."""
        answer = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        if command_name != "BRPOP" or not answer or is_message(answer[1]):
            return answer
        queue, entry = answer
        log.error("%d bytes on the queue %s are no message: parked in %s", len(entry), queue.decode(), PARKED)
        self.lpush(PARKED, entry)
        self.ltrim(PARKED, 0, KEPT - 1)
        return None


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
