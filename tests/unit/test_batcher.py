"""The batcher on a small real engine of arithmetic: what each caller gets back, and in what company it was scored."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import pytest

from overheard.errors import ScoringFailed
from overheard.scoring.batcher import Batcher
from overheard.scoring.engine import Engine, Floats, Tokens
from overheard.scoring.lanes import Lane


class CountingEngine(Engine):
    """Scores a text by its length; `gate` holds every forward pass; `passes` keeps what went through together."""

    version = "counting"

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.passes: list[list[int]] = []

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        return [[ord(letter) for letter in text] for text in texts]

    def forward(self, batch: Sequence[Tokens]) -> Floats:
        self.entered.release()
        assert self.gate.wait(10)
        self.passes.append([len(tokens) for tokens in batch])
        if any(ord("!") in tokens for tokens in batch):
            raise ValueError("no exclamation marks")
        return np.array([[len(tokens), tokens[0], 0] for tokens in batch], np.float32)


@pytest.fixture
def engine() -> CountingEngine:
    return CountingEngine()


@pytest.fixture
def batcher(engine: CountingEngine) -> Batcher:
    return Batcher(engine, token_budget=64)


def expected(texts: Sequence[str]) -> list[list[float]]:
    return [[len(text), ord(text[0]), 0] for text in texts]


def test_every_caller_gets_its_own_answers_in_order(batcher: Batcher) -> None:
    calls = [[chr(97 + caller % 26) * (1 + (caller * row) % 30) for row in range(caller % 7)] for caller in range(200)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda texts: batcher.submit(texts, Lane.interactive).result(10), calls))
    assert [answer.tolist() for answer in answers] == [expected(texts) for texts in calls]


def test_what_waits_is_merged_within_the_token_budget(engine: CountingEngine, batcher: Batcher) -> None:
    engine.gate.clear()
    first = batcher.submit(["x"], Lane.interactive)
    assert engine.entered.acquire(timeout=10)
    others = [batcher.submit([letter * 8], Lane.interactive) for letter in "abcdefghij"]
    engine.gate.set()
    wait([first, *others], 10)
    assert engine.passes == [[1], [8] * 8, [8] * 2]


def test_texts_of_similar_length_travel_together(engine: CountingEngine, batcher: Batcher) -> None:
    engine.gate.clear()
    first = batcher.submit(["x"], Lane.bulk)
    assert engine.entered.acquire(timeout=10)
    other = batcher.submit(["a" * 30, "b" * 2, "c" * 29, "d" * 3, "e" * 2, "f" * 30], Lane.bulk)
    engine.gate.set()
    assert other.result(10).tolist() == expected(["a" * 30, "b" * 2, "c" * 29, "d" * 3, "e" * 2, "f" * 30])
    assert first.result(10) is not None
    assert max(max(lengths) * len(lengths) for lengths in engine.passes) <= 64
    assert sorted(map(sorted, engine.passes)) == [[1], [2, 2, 3], [29, 30], [30]]


def test_a_text_longer_than_the_budget_is_scored_alone(batcher: Batcher) -> None:
    assert batcher.submit(["y" * 500, "z"], Lane.bulk).result(10).tolist() == expected(["y" * 500, "z"])


def test_an_interactive_request_overtakes_waiting_bulk_work(engine: CountingEngine, batcher: Batcher) -> None:
    engine.gate.clear()
    bulk = batcher.submit(["b" * 60] * 5, Lane.bulk)
    assert engine.entered.acquire(timeout=10)
    urgent = batcher.submit(["u" * 7], Lane.interactive)
    engine.gate.set()
    wait([bulk, urgent], 10)
    assert engine.passes[:2] == [[60], [7]]


def test_bulk_work_is_not_starved_by_interactive_requests(engine: CountingEngine, batcher: Batcher) -> None:
    engine.gate.clear()
    first = batcher.submit(["x"], Lane.interactive)
    assert engine.entered.acquire(timeout=10)
    urgent = batcher.submit(["u" * 60] * 10, Lane.interactive)
    bulk = batcher.submit(["b" * 61], Lane.bulk)
    engine.gate.set()
    wait([first, urgent, bulk], 10)
    assert engine.passes.index([61]) == 4


def test_a_failing_request_does_not_touch_its_batch_mates(engine: CountingEngine, batcher: Batcher) -> None:
    engine.gate.clear()
    first = batcher.submit(["x"], Lane.interactive)
    assert engine.entered.acquire(timeout=10)
    good = batcher.submit(["fine", "well"], Lane.interactive)
    bad = batcher.submit(["oh no!"], Lane.interactive)
    engine.gate.set()
    assert good.result(10).tolist() == expected(["fine", "well"])
    with pytest.raises(ScoringFailed, match="exclamation"):
        bad.result(10)
    assert first.result(10).shape == (1, 3)


def test_of_many_texts_the_one_that_fails_fails_alone(batcher: Batcher) -> None:
    calls = [["good " * (n % 5 + 1), "bad!" if n == 17 else "fine"] for n in range(40)]
    answers = batcher.submit_all(calls, Lane.bulk)
    for number, (texts, answer) in enumerate(zip(calls, answers, strict=True)):
        if number == 17:
            with pytest.raises(ScoringFailed, match="exclamation"):
                answer.result(10)
        else:
            assert answer.result(10).tolist() == expected([text.strip() for text in texts])


@pytest.fixture
def remembering(engine: CountingEngine) -> Batcher:
    return Batcher(engine, token_budget=64, cache_bytes=1_000_000)


def test_a_text_is_scored_once_however_it_is_spaced(engine: CountingEngine, remembering: Batcher) -> None:
    assert remembering.submit(["so good", "bad", "so  good "], Lane.bulk).result(10).tolist() == expected(
        ["so good", "bad", "so good"]
    )
    again = remembering.submit(["so good", "new"], Lane.interactive).result(10)
    assert again.tolist() == expected(["so good", "new"])
    assert sorted(length for lengths in engine.passes for length in lengths) == [3, 3, 7]
    assert (remembering.cache.hits, remembering.cache.lookups) == (1, 4)


def test_texts_that_are_known_need_no_pass(engine: CountingEngine, remembering: Batcher) -> None:
    remembering.submit(["same"], Lane.bulk).result(10)
    assert remembering.submit(["same", "same"], Lane.bulk).result(0).tolist() == expected(["same", "same"])
    assert engine.passes == [[4]]


def test_whoever_wants_a_text_that_is_being_scored_waits_for_that(engine: CountingEngine, remembering: Batcher) -> None:
    engine.gate.clear()
    first = remembering.submit(["twin"], Lane.interactive)
    assert engine.entered.acquire(timeout=10)
    others = [remembering.submit(["twin", f"other {n}"], Lane.interactive) for n in range(5)]
    engine.gate.set()
    assert [other.result(10)[0].tolist() for other in others] == expected(["twin"]) * 5
    assert first.result(10).tolist() == expected(["twin"])
    assert sum(lengths.count(4) for lengths in engine.passes) == 1


def test_a_text_that_somebody_gave_up_can_be_asked_for_again(engine: CountingEngine, remembering: Batcher) -> None:
    engine.gate.clear()
    first = remembering.submit(["first"], Lane.bulk)
    assert engine.entered.acquire(timeout=10)
    gone = remembering.submit(["wanted"], Lane.bulk)
    assert gone.cancel()
    second = remembering.submit(["second one"], Lane.bulk)
    engine.gate.set()
    wait([first, second], 10)
    assert remembering.submit(["wanted"], Lane.bulk).result(10).tolist() == expected(["wanted"])


def test_many_threads_wanting_the_same_texts_all_get_them(remembering: Batcher) -> None:
    calls = [[chr(97 + (caller + row) % 26) * (1 + row % 9) for row in range(30)] for caller in range(200)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda texts: remembering.submit(texts, Lane.interactive).result(10), calls))
    assert [answer.tolist() for answer in answers] == [expected(texts) for texts in calls]


def test_the_rate_is_what_the_model_did_in_the_time_that_it_took(engine: CountingEngine, batcher: Batcher) -> None:
    assert batcher.rate == 0
    engine.gate.clear()
    answer = batcher.submit(["abcd"] * 4, Lane.bulk)
    assert engine.entered.acquire(timeout=10)
    began = time.monotonic()
    while time.monotonic() - began < 0.1:
        assert not answer.done()
    engine.gate.set()
    answer.result(10)
    batcher.close()
    assert 0 < batcher.rate <= 4 / 0.1


def test_a_cancelled_request_is_left_out(engine: CountingEngine, batcher: Batcher) -> None:
    engine.gate.clear()
    first = batcher.submit(["x"], Lane.interactive)
    assert engine.entered.acquire(timeout=10)
    gone = batcher.submit(["gone"], Lane.interactive)
    assert gone.cancel()
    last = batcher.submit(["stay"], Lane.interactive)
    engine.gate.set()
    wait([first, last], 10)
    assert engine.passes == [[1], [4]]


def test_no_texts_need_no_pass(engine: CountingEngine, batcher: Batcher) -> None:
    assert batcher.submit([], Lane.interactive).result(0).shape == (0, 3)
    assert engine.passes == []


def test_closing_finishes_what_waits_and_takes_no_more(engine: CountingEngine, batcher: Batcher) -> None:
    answers = [batcher.submit([letter * 9] * 9, Lane.bulk) for letter in "abc"]
    batcher.close()
    assert all(answer.done() for answer in answers)
    assert not batcher.alive
    with pytest.raises(ScoringFailed, match="stopping"):
        batcher.submit(["late"], Lane.bulk)


def test_a_long_pass_shows_as_busy(engine: CountingEngine, batcher: Batcher) -> None:
    engine.gate.clear()
    answer = batcher.submit(["slow"], Lane.interactive)
    assert engine.entered.acquire(timeout=10)
    assert batcher.busy_s() > 0
    engine.gate.set()
    answer.result(10)
    batcher.close()
    assert batcher.busy_s() == 0


class DeviceEngine(CountingEngine):
    """Begins a pass at once and computes it when asked for it, as a device does that works beside this thread."""

    depth = 2
    token_budget = 64

    def __init__(self) -> None:
        super().__init__()
        self.begun = 0
        self.begun_by_the_end_of: list[int] = []

    def start(self, batch: Sequence[Tokens]) -> Callable[[], Floats]:
        self.begun += 1
        return lambda: self._end(batch)

    def _end(self, batch: Sequence[Tokens]) -> Floats:
        probabilities = self.forward(batch)
        self.begun_by_the_end_of.append(self.begun)
        return probabilities


def test_the_next_pass_is_begun_before_the_last_has_ended() -> None:
    engine = DeviceEngine()
    engine.gate.clear()
    batcher = Batcher(engine)
    first = batcher.submit(["x"], Lane.bulk)
    assert engine.entered.acquire(timeout=10)
    rest = batcher.submit(["b" * 61, "c" * 62, "d" * 63], Lane.bulk)
    engine.gate.set()
    assert rest.result(10).tolist() == expected(["b" * 61, "c" * 62, "d" * 63])
    assert first.result(10).tolist() == expected(["x"])
    assert engine.begun_by_the_end_of == [1, 3, 4, 4]
    batcher.close()


def test_what_fails_late_fails_alone() -> None:
    engine = DeviceEngine()
    engine.gate.clear()
    batcher = Batcher(engine, token_budget=64)
    answers = [batcher.submit([text], Lane.bulk) for text in ("x", "good", "oh no!", "well" * 12)]
    engine.gate.set()
    assert [answers[place].result(10).tolist() for place in (0, 1, 3)] == [
        expected([text]) for text in ("x", "good", "well" * 12)
    ]
    with pytest.raises(ScoringFailed, match="exclamation"):
        answers[2].result(10)
    batcher.close()
    assert batcher.busy_s() == 0


def test_passes_are_as_large_as_the_engine_says_at_the_time() -> None:
    engine = DeviceEngine()
    engine.gate.clear()
    batcher = Batcher(engine)
    first = batcher.submit(["x"], Lane.bulk)
    assert engine.entered.acquire(timeout=10)
    engine.token_budget = 4
    others = batcher.submit(["ab"] * 4, Lane.bulk)
    engine.gate.set()
    wait([first, others], 10)
    assert engine.passes == [[1], [2, 2], [2, 2]]
    batcher.close()
