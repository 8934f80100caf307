"""Answers to waiting requests: on a real Redis, by a worker whose replies are written here."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis import Redis

from api.jobs import Desk
from overheard.settings import Settings
from overheard.store.database import Database
from tests.redis_server import redis_server
from tests.stack import eventually
from worker import names, replies


class Post:
    """Keeps what is sent to the workers."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send_task(self, task: str, args: list[Any], task_id: str, **_: Any) -> None:
        self.sent.append((task_id, *args))


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with redis_server(tmp_path) as url, Redis.from_url(url, socket_timeout=10) as redis:
        beat = json.dumps({"at": time.time(), "model": "m", "rate": 0})
        redis.hset(names.HEARTBEATS, "ml@here", beat)
        yield redis


def test_a_reply_that_can_not_be_read_leaves_the_others_their_answers(tmp_path: Path, redis: Redis) -> None:
    post, settings = Post(), Settings(home=tmp_path)
    database = Database(settings.sql_url)
    desk = Desk(post, database, redis, settings)  # type: ignore[arg-type]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(desk.score, [["fine"]], 20)
        eventually(lambda: post.sent)
        message_id, _, sizes, _, reply_to = post.sent[0]
        for reply in (b"\xff no JSON", b"[]", b'{"id": "1", "model": "m", "answers": [["x"]]}'):
            redis.rpush(reply_to, reply)
        scores = np.array([[0.1, 0.2, 0.7]], np.float32)
        replies.push(redis, reply_to, message_id, [(sizes[0][0], scores)], "m")
        (answer,) = waiting.result(30)
    assert answer is not None
    assert answer.scores.tolist() == scores.tolist()
    database.engine.dispose()
