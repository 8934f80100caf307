"""What the gate judges: the served form of champion and challenger on the test rows, and the time that each takes."""

from collections.abc import Sequence
from itertools import cycle
from statistics import median
from time import perf_counter
from typing import Final

import numpy as np

from overheard.scoring.engine import Engine, Floats
from overheard.training.gate import Judged

TEXTS_AT_ONCE: Final = 64
"""Few enough that both models meet the same moment of a busy machine, enough to fill a forward pass."""


def judge(champion: Engine, challenger: Engine, texts: Sequence[str]) -> tuple[Judged, Judged]:
    """Both models on the same texts, in turns, so that whatever else the machine does slows both down alike."""
    first, second = _in_turns((champion, challenger), texts)
    return Judged(champion.version, *first), Judged(challenger.version, *second)


def measure(engine: Engine, texts: Sequence[str]) -> tuple[Floats, float]:
    """(N, 3) calibrated probabilities of the texts, and the milliseconds that one takes (median over small batches).

    Raises ValueError when there are no texts.
    """
    return _in_turns((engine,), texts)[0]


def _in_turns(engines: Sequence[Engine], texts: Sequence[str]) -> list[tuple[Floats, float]]:
    if not texts:
        raise ValueError("no texts to judge a model by")
    batches = [texts[start : start + TEXTS_AT_ONCE] for start in range(0, len(texts), TEXTS_AT_ONCE)]
    for engine in engines:  # the first pass of a session allocates
        engine.score(batches[0])
    answers: list[list[Floats]] = [[] for _ in engines]
    times: list[list[float]] = [[] for _ in engines]
    orders = cycle((range(len(engines)), range(len(engines) - 1, -1, -1)))
    for batch, order in zip(batches, orders, strict=False):
        for turn in order:
            start = perf_counter()
            answers[turn].append(engines[turn].score(batch))
            times[turn].append((perf_counter() - start) * 1000 / len(batch))
    return [(np.concatenate(parts), median(taken)) for parts, taken in zip(answers, times, strict=True)]
