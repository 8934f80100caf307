"""What waits to be scored: rows in two lanes, by arrival and by length."""

from bisect import bisect_left, insort
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum

from overheard.scoring.engine import Floats, Tokens


class Lane(StrEnum):
    """Somebody waits for an interactive answer; a bulk answer may take its time."""

    interactive = "interactive"
    bulk = "bulk"


@dataclass(eq=False)
class Request:
    """Texts that are answered together; `missing`: how many of them have no probabilities yet."""

    answer: Future[Floats]
    probabilities: Floats
    missing: int


@dataclass(order=True)
class Row:
    """A text to be scored, and all places, (request, index), that wait for just this text."""

    length: int
    arrival: int
    tokens: Tokens = field(compare=False)
    key: bytes = field(compare=False)
    places: list[tuple[Request, int]] = field(compare=False)
    taken: bool = field(default=False, compare=False)


class Waiting:
    """The rows of one lane; no text is in it twice."""

    def __init__(self) -> None:
        self.by_length: list[Row] = []
        self.by_arrival: deque[Row] = deque()
        self.by_key: dict[bytes, Row] = {}

    def add(self, row: Row) -> None:
        insort(self.by_length, row)
        self.by_arrival.append(row)
        self.by_key[row.key] = row

    def take(self, token_budget: int) -> list[Row]:
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
