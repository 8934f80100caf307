"""Whoever can write to the queue can neither stop a worker nor have a text logged."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from tests.stack import RunningStack, eventually
from worker import names

MARK = "marked-text-of-a-test"


def message(body: bytes, headers: Mapping[str, Any], content_type: str = "application/json") -> str:
    """As kombu puts it on a list."""
    properties = {
        "delivery_tag": str(uuid4()),
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "io"},
        "body_encoding": "base64",
        "priority": 0,
    }
    said = {"content-type": content_type, "content-encoding": "utf-8", "headers": headers, "properties": properties}
    return json.dumps({"body": base64.b64encode(body).decode(), **said})


def task(name: str, *args: Any, content_type: str = "application/json") -> str:
    headers = {"lang": "py", "task": name, "id": str(uuid4()), "argsrepr": "()", "kwargsrepr": "{}", "retries": 0}
    return message(json.dumps([args, {}, {}]).encode(), headers, content_type)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (task("no.such.task", MARK), "its task is unknown here"),
        (task("feeds.collect", MARK, content_type="application/x-python-serialize"), "it is no task's message"),
        (task("feeds.collect", MARK), "its arguments: Input should be a valid integer"),
        (task("feeds.collect", 1, MARK), "its arguments: too many positional arguments"),
        (message(MARK.encode(), {}), "no message, on the queue io"),
        (MARK, "no message"),
        (json.dumps({MARK: 1}), "no message"),
        (json.dumps({"body": MARK, "properties": {"delivery_tag": "1", "delivery_info": None}}), "no message"),
        (message(json.dumps(MARK).encode(), {}), "no message, on the queue io"),
    ],
)
def test_a_message_that_nobody_can_use_is_set_aside(stack: RunningStack, sent: str, reason: str) -> None:
    worker = stack.program("worker", "io")
    with Redis.from_url(stack.redis_url) as redis:
        before = int(redis.get(names.PARKED_COUNT) or 0)
        redis.lpush("io", sent)
        eventually(lambda: int(redis.get(names.PARKED_COUNT) or 0) > before)
        parked = json.loads(redis.lindex(names.PARKED, 0))
    assert parked["reason"].startswith(reason)
    assert parked["bytes"] == len(base64.b64decode(parked["body"])) > 0
    assert stack.metric("overheard_parked_messages_total") > before
    assert worker.is_running(), "it ended"
    log = (stack.home / "logs" / "io.log").read_text()
    assert "parked" in log
    assert MARK not in log
