"""Answers to waiting requests travel on a Redis list of the API process that waits: the worker pushes, the API pops."""

import json

from redis import Redis

from overheard.scoring.engine import Floats

TTL_S = 60  # nobody waits on a list for so long; a dead API's list goes by itself


def answer(redis: Redis, reply_to: str, part_id: str, scores: Floats, model: str) -> None:
    """scores: (n, 3), sent with six decimals."""
    rows = [[round(p, 6) for p in row] for row in scores.tolist()]
    _push(redis, reply_to, {"id": part_id, "scores": rows, "model": model})


def refuse(redis: Redis, reply_to: str, part_id: str, reason: str) -> None:
    _push(redis, reply_to, {"id": part_id, "error": reason})


def _push(redis: Redis, reply_to: str, reply: dict[str, object]) -> None:
    with redis.pipeline(transaction=False) as pipe:
        pipe.rpush(reply_to, json.dumps(reply, separators=(",", ":")))
        pipe.expire(reply_to, TTL_S)
        pipe.execute()
