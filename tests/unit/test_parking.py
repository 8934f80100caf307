"""What lies on a queue and is no message is parked; the next message arrives: on a real Redis."""

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Queue
from redis import Redis

from tests.redis_server import redis_server
from worker import parking
from worker.names import PARKED

MESSAGE: dict[str, Any] = {
    "body": "W1tdLCB7fSwge31d",  # [[], {}, {}]
    "content-type": "application/json",
    "content-encoding": "utf-8",
    "headers": {"task": "jobs.reap", "id": "1"},
    "properties": {
        "delivery_tag": "t",
        "body_encoding": "base64",
        "delivery_info": {"exchange": "", "routing_key": "io"},
    },
}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with redis_server(tmp_path) as url:
        yield url


@pytest.mark.parametrize(
    "entry",
    [
        b"\xff\x00 no JSON",
        b"",
        b"[]",
        b"{}",
        b"7",
        json.dumps({**MESSAGE, "headers": {"task": "jobs.reap"}}).encode(),
        json.dumps({**MESSAGE, "properties": {}}).encode(),
        json.dumps({**MESSAGE, "body": "no base64"}).encode(),
        json.dumps({**MESSAGE, "body": None}).encode(),
    ],
)
def test_an_entry_that_is_no_message_is_parked_and_the_next_one_arrives(url: str, entry: bytes) -> None:
    parking.use()
    heard: list[Any] = []
    with Redis.from_url(url) as redis, Connection(url) as connection:
        with connection.Consumer(Queue("io"), callbacks=[lambda body, message: (heard.append(body), message.ack())]):
            redis.lpush("io", entry)
            redis.lpush("io", json.dumps(MESSAGE))
            while not heard:
                try:
                    connection.drain_events(timeout=10)
                except TimeoutError:
                    pytest.fail("the message did not arrive")
        assert heard == [[[], {}, {}]]
        assert [b64decode(json.loads(one)["body"]) for one in redis.lrange(PARKED, 0, -1)] == [entry]
        assert redis.hlen("unacked") == 0
