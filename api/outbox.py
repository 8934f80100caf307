"""Texts on their way to the scoring workers: what waits while others are under way is merged into one message.

A message costs a worker as much as scoring a text does. So a piece is sent at once while few messages are under way,
and else joins those that wait, until an answer makes room: the busier the workers, the larger the messages.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from overheard.errors import ScoringUnavailable
from overheard.scoring.lanes import Lane
from overheard.store import parts
from overheard.store.parts import Answer


@dataclass(frozen=True)
class Window:
    """How many messages may be under way, and how long one counts: a dead worker's must not hold up the others."""

    messages: int
    per_worker: int
    patience_s: float


WINDOWS: Final = {Lane.interactive: Window(1, 1, 1.0), Lane.bulk: Window(0, 3, 5.0)}


@dataclass(eq=False)
class Piece:
    """Texts of one request, no more than a message may carry. `deadline`, `sent_at`: monotonic seconds."""

    texts: list[str]
    deadline: float
    id: str = field(default_factory=lambda: f"{uuid4()}")
    answer: Future[Answer] = field(default_factory=Future)
    sent_at: float | None = None


Send = Callable[[str, Lane, Sequence[Piece]], None]


class Outbox:
    """One per API process. `send` puts a message with these pieces on the queue, and may raise ScoringUnavailable."""

    def __init__(self, send: Send, count_workers: Callable[[], int], windows: Mapping[Lane, Window] = WINDOWS) -> None:
        self._send, self._count_workers, self._windows = send, count_workers, windows
        self._waiting: dict[Lane, deque[Piece]] = {lane: deque() for lane in Lane}
        self._under_way: dict[Lane, dict[str, float]] = {lane: {} for lane in Lane}  # message -> when it was sent
        self._lock = threading.Lock()

    def add(self, lane: Lane, pieces: Iterable[Piece]) -> None:
        with self._lock:
            self._waiting[lane].extend(pieces)
        self.push_on(lane)

    def arrived(self, message_id: str) -> None:
        """A message was answered: there is room for the next."""
        for lane, under_way in self._under_way.items():
            if under_way.pop(message_id, None):
                self.push_on(lane)

    def push_on(self, lane: Lane) -> None:
        """Send what may be sent now. Call it now and then as well: nothing else notices that an answer is overdue."""
        while pieces := self._next(lane, message_id := f"{uuid4()}"):
            try:
                self._send(message_id, lane, pieces)
            except ScoringUnavailable as error:
                self._under_way[lane].pop(message_id, None)
                for piece in pieces:
                    if not piece.answer.done():
                        piece.answer.set_exception(error)

    def _next(self, lane: Lane, message_id: str) -> list[Piece]:
        """The pieces of the next message, which is then under way; empty when nothing may be sent."""
        window, now = self._windows[lane], time.monotonic()
        room = window.messages + window.per_worker * self._count_workers()
        with self._lock:
            under_way = self._under_way[lane]
            for overdue in [i for i, sent_at in under_way.items() if now - sent_at > window.patience_s]:
                del under_way[overdue]
            if len(under_way) >= room:
                return []
            pieces = _merge(self._waiting[lane], now)
            if pieces:
                under_way[message_id] = now
            for piece in pieces:
                piece.sent_at = now
        return pieces


def _merge(waiting: deque[Piece], now: float) -> list[Piece]:
    """Take pieces that fit into one message, first come first served; nobody waits any more for what is left out."""
    pieces: list[Piece] = []
    rows = chars = 0
    while waiting:
        texts = waiting[0].texts
        if waiting[0].answer.done() or waiting[0].deadline <= now:
            waiting.popleft()
            continue
        rows, chars = rows + len(texts), chars + parts.reading_chars(texts)
        if pieces and (rows > parts.PART_ROWS or chars > parts.PART_CHARS):
            break
        pieces.append(waiting.popleft())
    return pieces
