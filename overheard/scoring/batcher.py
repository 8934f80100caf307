"""One thread per process that owns the model and merges what all other threads want scored."""

import threading
import time
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import numpy as np

from overheard.errors import ScoringFailed
from overheard.scoring.engine import Engine, Floats, Tokens

PATIENCE = 4  # interactive passes in a row before a waiting bulk pass gets its turn


class Lane(Enum):
    """Somebody waits for an interactive answer; a bulk answer may take its time."""

    interactive = "interactive"
    bulk = "bulk"


@dataclass(eq=False)
class _Request:
    answer: Future[Floats]
    probabilities: Floats
    missing: int


@dataclass(order=True)
class _Row:
    length: int
    arrival: int
    tokens: Tokens = field(compare=False)
    request: _Request = field(compare=False)
    index: int = field(compare=False)
    taken: bool = field(default=False, compare=False)


class _Pass(NamedTuple):
    began: float
    batch: list[_Row]
    result: Callable[[], Floats]


class _Waiting:
    """The rows of one lane, by length and by arrival."""

    def __init__(self) -> None:
        self.by_length: list[_Row] = []
        self.by_arrival: deque[_Row] = deque()

    def add(self, row: _Row) -> None:
        insort(self.by_length, row)
        self.by_arrival.append(row)

    def take(self, token_budget: int) -> list[_Row]:
        """The row that has waited longest, and those of most similar length that fit the budget together with it."""
        while self.by_arrival and self.by_arrival[0].taken:
            self.by_arrival.popleft()
        if not self.by_arrival:
            return []
        oldest = self.by_arrival[0]
        end = bisect_left(self.by_length, oldest) + 1
        start = max(0, end - max(1, token_budget // max(1, oldest.length)))
        while end < len(self.by_length) and (end + 1 - start) * self.by_length[end].length <= token_budget:
            end += 1
        batch = self.by_length[start:end]
        del self.by_length[start:end]
        for row in batch:
            row.taken = True
        return batch


class Batcher:
    """Merges concurrent requests into forward passes. An idle model starts at once; a busy one takes all that waits.

    A request fails alone: when a merged pass raises, its requests are run one by one. Where the engine can hold more
    than one pass, the next is begun before the last has ended.
    """

    def __init__(self, engine: Engine, token_budget: int | None = None) -> None:
        """token_budget: instead of the engine's own."""
        self.engine = engine
        self._token_budget = token_budget
        self._waiting = {lane: _Waiting() for lane in Lane}
        self._arrivals = 0
        self._interactive_passes = 0
        self._pass_began: float | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    def submit(self, texts: Sequence[str], lane: Lane) -> Future[Floats]:
        """(n, 3) probabilities in the order of `texts`, later. Tokenises on the calling thread.

        Cancel the future to have what still waits of it left out.
        """
        encoded = self.engine.encode(texts)
        request = _Request(Future(), np.empty((len(encoded), 3), np.float32), len(encoded))
        if not encoded:
            request.answer.set_result(request.probabilities)
            return request.answer
        with self._changed:
            if self._closed:
                raise ScoringFailed("this worker is stopping")
            for index, tokens in enumerate(encoded):
                self._arrivals += 1
                self._waiting[lane].add(_Row(len(tokens), self._arrivals, tokens, request, index))
            self._changed.notify()
        return request.answer

    def busy_s(self) -> float:
        """How long the present forward pass has been running; 0 when idle."""
        began = self._pass_began
        return time.monotonic() - began if began is not None else 0.0

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        """Finish what waits, take nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        under_way: deque[_Pass] = deque()
        while (batch := self._next_batch(wait=not under_way)) or under_way:
            if batch := [row for row in batch if not row.request.answer.cancelled()]:
                self._pass_began = self._pass_began or time.monotonic()
                under_way += self._begin(batch)
            if under_way and (not batch or len(under_way) >= self.engine.depth):
                self._finish(under_way.popleft())
            self._pass_began = under_way[0].began if under_way else None

    def _next_batch(self, *, wait: bool) -> list[_Row]:
        """Empty when nothing waits; with `wait` only when closed, too."""
        with self._changed:
            while True:
                bulk_turn = self._interactive_passes >= PATIENCE
                for lane in sorted(Lane, key=lambda lane: (lane is Lane.interactive) == bulk_turn):
                    if batch := self._waiting[lane].take(self._token_budget or self.engine.token_budget):
                        self._interactive_passes = self._interactive_passes + 1 if lane is Lane.interactive else 0
                        return batch
                if self._closed or not wait:
                    return []
                self._changed.wait()

    def _begin(self, batch: list[_Row]) -> list[_Pass]:
        """The pass; none when it failed at once and its requests were seen to."""
        try:
            return [_Pass(time.monotonic(), batch, self.engine.start([row.tokens for row in batch]))]
        except Exception as error:  # whatever a back end raises belongs to the requests in this pass, not to the thread
            self._score_apart(batch, error)
            return []

    def _finish(self, begun: _Pass) -> None:
        try:
            probabilities = begun.result()
        except Exception as error:  # a device may say so late
            self._score_apart(begun.batch, error)
        else:
            for row, probability in zip(begun.batch, probabilities, strict=True):
                self._settle(row, probability)

    def _score_apart(self, batch: list[_Row], error: Exception) -> None:
        requests = dict.fromkeys(row.request for row in batch)
        if len(requests) > 1:
            for request in requests:
                for begun in self._begin([row for row in batch if row.request is request]):
                    self._finish(begun)
            return
        (request,) = requests
        if not request.answer.done():
            request.answer.set_exception(ScoringFailed(f"the model failed on these texts: {error}"))

    @staticmethod
    def _settle(row: _Row, probability: Floats) -> None:
        request = row.request
        request.probabilities[row.index] = probability
        request.missing -= 1
        if not request.missing and request.answer.set_running_or_notify_cancel():
            request.answer.set_result(request.probabilities)
