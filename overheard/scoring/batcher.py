"""One thread per process that owns the model and merges what all other threads want scored."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from itertools import chain
from typing import NamedTuple

import numpy as np

from overheard.errors import ScoringFailed
from overheard.scoring.cache import ScoreCache
from overheard.scoring.engine import Engine, Floats
from overheard.scoring.lanes import Lane, Request, Row, Waiting
from overheard.scoring.text import clean

PATIENCE = 4  # interactive passes in a row before a waiting bulk pass gets its turn
RATE_DECAY = 0.98  # per pass: the measured rate is that of about the last fifty


class _Pass(NamedTuple):
    began: float
    batch: list[Row]
    result: Callable[[], Floats]


class Batcher:
    """Merges concurrent requests into forward passes. An idle model starts at once; a busy one takes all that waits.

    A text that is known already, or waits already, is not scored again; one that the model can't score fails alone.
    Where the engine can hold more than one pass, the next is begun before the last has ended.
    """

    def __init__(self, engine: Engine, token_budget: int | None = None, cache_bytes: int = 0) -> None:
        """token_budget: instead of the engine's own."""
        self.engine = engine
        self.cache = ScoreCache(engine.version, cache_bytes)
        self._token_budget = token_budget
        self._waiting = {lane: Waiting() for lane in Lane}
        self._arrivals = 0
        self._interactive_passes = 0
        self._pass_began: float | None = None
        self._scored, self._scoring_s = 0.0, 0.0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    def submit(self, texts: Sequence[str], lane: Lane) -> Future[Floats]:
        """(n, 3) probabilities in the order of `texts`, later. Tokenises on the calling thread.

        Cancel the future to have what still waits of it left out.
        """
        return self.submit_all([texts], lane)[0]

    def submit_all(self, groups: Sequence[Sequence[str]], lane: Lane) -> list[Future[Floats]]:
        """The same for several requests at once; each has an answer, or an error, of its own."""
        requests = [Request(Future(), np.empty((len(texts), 3), np.float32), len(texts)) for texts in groups]
        cleaned = [clean(text) for text in chain.from_iterable(groups)]
        places = ((request, index) for request in requests for index in range(request.missing))
        wanted: dict[bytes, tuple[str, list[tuple[Request, int]]]] = {}
        for key, text, place in zip(self.cache.keys(cleaned), cleaned, list(places), strict=True):
            wanted.setdefault(key, (text, []))[1].append(place)
        with self._changed:
            if self._closed:
                raise ScoringFailed("this worker is stopping")
            for key in list(wanted):
                if value := self.cache.get(key):
                    _fill(wanted.pop(key)[1], np.frombuffer(value, np.float32))
            known = [request for request in requests if not request.missing]
        encoded = self.engine.encode([text for text, _ in wanted.values()])
        with self._changed:
            for (key, (_, waiting)), tokens in zip(wanted.items(), encoded, strict=True):
                if row := self._waiting[lane].by_key.get(key):
                    row.places += waiting
                else:
                    self._arrivals += 1
                    self._waiting[lane].add(Row(len(tokens), self._arrivals, tokens, key, waiting))
            self._changed.notify()
        _settle(known)
        return [request.answer for request in requests]

    def busy_s(self) -> float:
        """How long the present forward pass has been running; 0 when idle."""
        began = self._pass_began
        return time.monotonic() - began if began is not None else 0.0

    @property
    def rate(self) -> float:
        """Texts that the model scores in a second when it has enough of them; 0 before the first."""
        return self._scored / self._scoring_s if self._scoring_s else 0.0

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
        ended = time.monotonic()
        while (batch := self._next_batch(wait=not under_way)) or under_way:
            if batch:
                self._pass_began = self._pass_began or time.monotonic()
                under_way += self._begin(batch)
            if under_way and (not batch or len(under_way) >= self.engine.depth):
                began = max(ended, under_way[0].began)
                scored = self._finish(under_way.popleft())
                ended = time.monotonic()
                self._scored = self._scored * RATE_DECAY + scored
                self._scoring_s = self._scoring_s * RATE_DECAY + ended - began
            self._pass_began = under_way[0].began if under_way else None

    def _next_batch(self, *, wait: bool) -> list[Row]:
        """Empty when nothing waits; with `wait` only when closed, too."""
        with self._changed:
            while True:
                bulk_turn = self._interactive_passes >= PATIENCE
                for lane in sorted(Lane, key=lambda lane: (lane is Lane.interactive) == bulk_turn):
                    if batch := self._take(lane):
                        self._interactive_passes = self._interactive_passes + 1 if lane is Lane.interactive else 0
                        return batch
                if self._closed or not wait:
                    return []
                self._changed.wait()

    def _take(self, lane: Lane) -> list[Row]:
        """The next rows of a lane that somebody still waits for."""
        while batch := self._waiting[lane].take(self._token_budget or self.engine.token_budget):
            unwanted = [row for row in batch if all(request.answer.cancelled() for request, _ in row.places)]
            for row in unwanted:
                self._forget(row)
            if len(unwanted) < len(batch):
                return [row for row in batch if row not in unwanted] if unwanted else batch
        return []

    def _begin(self, batch: list[Row]) -> list[_Pass]:
        """The pass; none when it failed at once and its texts were seen to."""
        began = time.monotonic()
        try:
            return [_Pass(began, batch, self.engine.start([row.tokens for row in batch]))]
        except Exception as error:  # whatever a back end raises belongs to the texts in this pass, not to the thread
            self._score_apart(batch, error)
            return []

    def _finish(self, begun: _Pass) -> int:
        """How many texts it scored."""
        try:
            probabilities = begun.result()
        except Exception as error:  # a device may say so late
            self._score_apart(begun.batch, error)
            return 0
        with self._changed:
            for row, probability in zip(begun.batch, probabilities, strict=True):
                self._forget(row)
                self.cache.put(row.key, probability.tobytes())
                _fill(row.places, probability)
        _settle(dict.fromkeys(request for row in begun.batch for request, _ in row.places if not request.missing))
        return len(begun.batch)

    def _score_apart(self, batch: list[Row], error: Exception) -> None:
        """When a pass fails, its halves are tried, down to the text that the model can't score."""
        if len(batch) == 1:
            self._fail(batch[0], error)
            return
        for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
            for begun in self._begin(half):
                self._finish(begun)

    def _fail(self, row: Row, error: Exception) -> None:
        with self._changed:
            self._forget(row)
        for request, _ in row.places:
            if not request.answer.done():
                request.answer.set_exception(ScoringFailed(f"the model failed on a text: {error}"))

    def _forget(self, row: Row) -> None:
        """From here on nobody joins this row; whoever wants its text again finds it in the cache."""
        for waiting in self._waiting.values():
            if waiting.by_key.get(row.key) is row:
                del waiting.by_key[row.key]


def _fill(places: Sequence[tuple[Request, int]], probability: Floats) -> None:
    for request, index in places:
        request.probabilities[index] = probability
        request.missing -= 1


def _settle(requests: Iterable[Request]) -> None:
    for request in requests:
        if not request.answer.done() and request.answer.set_running_or_notify_cancel():
            request.answer.set_result(request.probabilities)
