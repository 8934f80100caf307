"""A real Redis-protocol server for tests that need nothing else of a stack."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis, RedisError

from overheard.stack.embedded import find_binary
from tests.stack import eventually, free_port


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Its URL; what it holds is gone with it."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    with (folder / "redis.log").open("w") as log, subprocess.Popen([find_binary(), *options], stdout=log) as server:
        try:
            with Redis.from_url(url) as redis:
                eventually(lambda: _answers(redis))
            yield url
        finally:
            server.terminate()


def _answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False
