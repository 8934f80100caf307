"""When a piece is sent, and with whom: the API's outbox with a queue that keeps what it is given."""

import time
from collections.abc import Sequence

import pytest

from api.outbox import Outbox, Piece, Window
from overheard.errors import ScoringUnavailable
from overheard.scoring.lanes import Lane
from overheard.store.parts import PART_CHARS, PART_ROWS
from tests.stack import eventually

PATIENT, HASTY = Window(1, 0, 3600), Window(1, 0, 0.02)


class Queue:
    """What a broker sees: messages with the texts in them."""

    def __init__(self, window: Window = PATIENT) -> None:
        self.messages: dict[str, list[list[str]]] = {}
        self.is_away = False
        self.outbox = Outbox(self.send, lambda: 1, dict.fromkeys(Lane, window))

    def send(self, message_id: str, lane: Lane, pieces: Sequence[Piece]) -> None:
        if self.is_away:
            raise ScoringUnavailable("away", 5)
        self.messages[message_id] = [piece.texts for piece in pieces]

    def add(self, *pieces: Piece) -> None:
        for piece in pieces:
            self.outbox.add(Lane.interactive, [piece])

    @property
    def sent(self) -> list[list[list[str]]]:
        return list(self.messages.values())

    def answer_last(self) -> None:
        self.outbox.arrived(list(self.messages)[-1])


def piece(*texts: str, seconds: float = 60) -> Piece:
    return Piece(list(texts), time.monotonic() + seconds)


def test_a_piece_is_sent_at_once_when_nothing_is_under_way() -> None:
    queue = Queue()
    queue.add(piece("a"))
    assert queue.sent == [[["a"]]]


def test_pieces_that_wait_travel_together_when_an_answer_makes_room() -> None:
    queue = Queue()
    queue.add(piece("a"), piece("b"), piece("c", "d"))
    assert queue.sent == [[["a"]]]
    queue.answer_last()
    assert queue.sent[1:] == [[["b"], ["c", "d"]]]
    queue.add(piece("e"))
    queue.answer_last()
    assert queue.sent[2:] == [[["e"]]]


def test_a_message_holds_no_more_than_a_part() -> None:
    queue = Queue()
    queue.add(piece("first"), *(piece(f"text {n}") for n in range(PART_ROWS + 10)))
    queue.answer_last()
    assert len(queue.sent[1]) == PART_ROWS
    queue.answer_last()
    assert len(queue.sent[2]) == 10
    queue.add(*(piece(*["x" * 1000] * 40) for _ in range(2)))
    queue.answer_last()
    assert [sum(map(len, texts)) for texts in queue.sent[3]] == [40_000]
    assert PART_CHARS < 80_000


def test_what_nobody_waits_for_any_more_is_not_sent() -> None:
    queue = Queue()
    gone, late, stays = piece("gone"), piece("late", seconds=0), piece("stays")
    queue.add(piece("first"), gone, late, stays)
    gone.answer.cancel()
    queue.answer_last()
    assert queue.sent[1:] == [[["stays"]]]


def test_a_message_that_is_never_answered_does_not_hold_up_the_others_for_long() -> None:
    queue = Queue(HASTY)
    queue.add(piece("lost"), piece("next"))

    def next_is_sent() -> bool:
        queue.outbox.push_on(Lane.interactive)
        return queue.sent[1:] == [[["next"]]]

    eventually(next_is_sent)


def test_lanes_do_not_wait_for_each_other() -> None:
    queue = Queue()
    queue.outbox.add(Lane.bulk, [piece("bulk")])
    queue.add(piece("urgent"))
    assert queue.sent == [[["bulk"]], [["urgent"]]]


def test_when_the_queue_is_away_those_who_wait_are_told_and_the_next_can_try() -> None:
    queue = Queue()
    queue.is_away = True
    told = piece("told")
    queue.add(told)
    with pytest.raises(ScoringUnavailable, match="away"):
        told.answer.result(0)
    queue.is_away = False
    queue.add(piece("again"))
    assert queue.sent == [[["again"]]]
