"""Answers to waiting requests: on a real Redis, by a worker whose replies are written here."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from celery import Celery
from kombu.transport.redis import Channel
from redis import Redis

from api.jobs import Desk
from overheard.errors import ScoringUnavailable
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


def test_a_channel_that_loses_its_connection_meanwhile_does_not_take_messages(
    tmp_path: Path, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As kombu does in another thread, at the worst moment."""
    put, settings = Channel._put, Settings(home=tmp_path)

    def lose(channel: Channel, *args: Any, **more: Any) -> None:
        channel.connection = channel._pool = None
        put(channel, *args, **more)

    monkeypatch.setattr(Channel, "_put", lose)
    told, database = redis.connection_pool.connection_kwargs, Database(settings.sql_url)
    celery = Celery(broker=f"redis://{told['host']}:{told['port']}/0")
    with pytest.raises(ScoringUnavailable, match="Redis does not take messages"):
        Desk(celery, database, redis, settings).score([["fine"]], 20)
    database.engine.dispose()
