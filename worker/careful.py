"""Messages that nobody here can use are set aside and counted: neither lost in silence nor logged with their texts."""

import inspect
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, get_type_hints

from celery import Task
from celery.exceptions import Ignore
from celery.worker.consumer import Consumer
from kombu.message import Message
from pydantic import TypeAdapter, ValidationError

from worker import context
from worker.parking import park


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
        park(context.get().redis, body, reason, str(headers.get("task"))[:200], str(headers.get("id"))[:200])
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
            body = json.dumps([args, kwargs]).encode()
            park(context.get().redis, body, f"its arguments: {_shortly(error)}", self.name, task_id)
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
