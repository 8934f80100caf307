"""Messages that nobody here can use are set aside and counted: neither lost in silence nor logged with their texts."""

import base64
import inspect
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final, get_type_hints
from uuid import uuid4

from celery import Task
from celery.exceptions import Ignore
from celery.worker.consumer import Consumer
from kombu.message import Message
from kombu.transport import redis as redis_transport
from kombu.utils.json import loads
from pydantic import TypeAdapter, ValidationError

from worker import context, names

KEPT: Final = 100
"""The newest; more only tell the same."""
KEPT_S: Final = 7 * 86_400
MOST_BYTES: Final = 65_536
"""Of a message that is larger its facts alone are kept."""
log = logging.getLogger(__name__)


def park(reason: str, task: object, task_id: object, body: bytes) -> None:
    """At the end of the list `names.PARKED`, as JSON."""
    facts = {
        "at": datetime.now(UTC).isoformat(),
        "reason": reason,
        "task": str(task)[:200],
        "id": str(task_id)[:200],
        "bytes": len(body),
        "body": base64.b64encode(body).decode() if len(body) <= MOST_BYTES else None,
    }
    with context.get().redis.pipeline() as pipe:
        pipe.incr(names.PARKED_COUNT)
        pipe.rpush(names.PARKED, json.dumps(facts))
        pipe.ltrim(names.PARKED, -KEPT, -1)
        pipe.expire(names.PARKED, KEPT_S)
        pipe.execute()
    log.error("set aside a message of %d bytes: %s (task %.200s, id %.200s)", len(body), reason, task, task_id)


def _envelope(text: str) -> Any:
    """What kombu reads of its lists. Where that is no message it would end its worker: so it becomes one of no task."""
    try:
        said = loads(text)  # type: ignore[no-untyped-call]
    except ValueError:
        said = None
    if isinstance(said, list) or (isinstance(said, dict) and _is_whole(said)):
        return said
    raw = base64.b64encode(text.encode(errors="replace")).decode()
    place = {"exchange": "", "routing_key": ""}
    properties = {"delivery_tag": str(uuid4()), "delivery_info": place, "body_encoding": "base64"}
    kind = {"content-type": "application/octet-stream", "content-encoding": "binary"}
    return {"body": raw, "headers": {}, "properties": properties, **kind}


def _is_whole(said: Mapping[str, Any]) -> bool:
    properties = said.get("properties")
    if not isinstance(properties, dict) or not isinstance(said.get("body"), str):
        return False
    place, encoding = properties.get("delivery_info"), properties.get("body_encoding")
    is_placed = isinstance(place, dict) and place.keys() >= {"exchange", "routing_key"}
    return is_placed and "delivery_tag" in properties and encoding in (None, "base64")


setattr(redis_transport, "loads", _envelope)  # noqa: B010 - the types of its own say nothing


class Careful(Consumer):  # type: ignore[misc]
    """Celery's would log the body of what it can't use."""

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        self._park(message, f"it is no {'/'.join(self.app.conf.accept_content)}: {type(exc).__name__}")

    def on_unknown_message(self, body: object, message: Message) -> None:
        self._park(message, "it names no task")

    def on_unknown_task(self, body: object, message: Message, exc: Exception) -> None:
        self._park(message, "its task is unknown here")

    def on_invalid_task(self, body: object, message: Message, exc: Exception) -> None:
        self._park(message, "it is no task's message")

    def _park(self, message: Message, reason: str) -> None:
        headers: Mapping[str, Any] = message.headers if isinstance(message.headers, Mapping) else {}
        body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
        park(reason, headers.get("task"), headers.get("id"), body)
        message.ack()  # type: ignore[no-untyped-call]


class Checked(Task):  # type: ignore[misc]
    """A task whose arguments are what its function says, or it is not begun."""

    abstract = True

    def before_start(self, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        try:
            given = self._signature.bind(*args, **kwargs).arguments
            for name, value in given.items():
                if name in self._kinds:
                    self._kinds[name].validate_python(value)
        except (TypeError, ValidationError) as error:
            park(f"its arguments: {_shortly(error)}", self.name, task_id, json.dumps([args, kwargs]).encode())
            raise Ignore from None

    @cached_property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self.run, follow_wrapped=False)

    @cached_property
    def _kinds(self) -> dict[str, TypeAdapter[Any]]:
        hints = get_type_hints(inspect.unwrap(self.run)) if self._signature.parameters else {}
        return {name: TypeAdapter(hints[name]) for name in self._signature.parameters if name in hints}


def _shortly(error: TypeError | ValidationError) -> str:
    """Without their values."""
    if isinstance(error, TypeError):
        return str(error)
    first = error.errors(include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))} {first['msg']}".strip()
