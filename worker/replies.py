"""Answers to waiting requests travel on a Redis list of the API process that waits: the worker pushes, the API pops."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from redis import Redis

from overheard.errors import ScoringFailed
from overheard.scoring.engine import Floats

TTL_S = 60  # nobody waits on a list for so long; a dead API's list goes by itself
Outcome: TypeAlias = Floats | ScoringFailed


def push(redis: Redis, reply_to: str, message_id: str, answers: Sequence[tuple[str, Outcome]], model: str) -> None:
    """answers: each piece's id with its (n, 3) probabilities or why it has none."""
    reply = {"id": message_id, "model": model, "answers": [[piece_id, *_told(it)] for piece_id, it in answers]}
    with redis.pipeline(transaction=False) as pipe:
        pipe.rpush(reply_to, json.dumps(reply, separators=(",", ":")))
        pipe.expire(reply_to, TTL_S)
        pipe.execute()


def tell(redis: Redis, reply_to: str, told: Mapping[str, Any]) -> None:
    """One answer, to whoever waits for it on a list of its own."""
    with redis.pipeline(transaction=False) as pipe:
        pipe.rpush(reply_to, json.dumps(told))
        pipe.expire(reply_to, TTL_S)
        pipe.execute()


def _told(outcome: Outcome) -> tuple[str | None, str | None]:
    """Scores as little-endian float32 in base64, and the reason why there are none: one of the two."""
    if isinstance(outcome, ScoringFailed):
        return None, str(outcome)
    return base64.b64encode(outcome.astype("<f4").tobytes()).decode(), None
