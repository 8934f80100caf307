"""Champion and challenger on the same texts, in turns."""

from collections.abc import Callable, Sequence
from time import sleep

import numpy as np
import pytest

from overheard import demo
from overheard.registry import locate
from overheard.scoring.engine import Engine, Floats, Tokens
from overheard.scoring.onnx import OnnxEngine
from overheard.training.judge import TEXTS_AT_ONCE, judge, measure

TEXTS = [post.text for post in demo.posts()][: 3 * TEXTS_AT_ONCE + 5]


class Lengths(Engine):
    """An engine that says how long texts are; `tell` hears of each forward pass."""

    def __init__(self, version: str, tell: Callable[[str], None]) -> None:
        self._version, self.tell = version, tell

    @property
    def version(self) -> str:
        return self._version

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        return [[len(text)] for text in texts]

    def forward(self, batch: Sequence[Tokens]) -> Floats:
        self.tell(self._version)
        share = np.array([tokens[0] for tokens in batch], dtype=np.float32) / 1e4
        return np.stack([share, share, 1 - 2 * share], axis=1)


def test_each_model_answers_every_text_in_its_place(tmp_path) -> None:
    starter = OnnxEngine(locate("starter", tmp_path), 1)
    lengths = Lengths("lengths", lambda _: None)
    champion, challenger = judge(starter, lengths, TEXTS)
    assert (champion.version, challenger.version) == (starter.version, "lengths")
    np.testing.assert_allclose(champion.probabilities, starter.score(TEXTS), atol=0.02)
    np.testing.assert_array_equal(challenger.probabilities, lengths.score(TEXTS))


def test_models_take_turns_and_each_is_first_as_often() -> None:
    heard: list[str] = []
    judge(Lengths("a", heard.append), Lengths("b", heard.append), TEXTS[: 4 * TEXTS_AT_ONCE])
    warm_up, turns = heard[:2], heard[2:]
    assert sorted(warm_up) == ["a", "b"]
    assert turns == ["a", "b", "b", "a", "a", "b", "b", "a"]


def test_a_moment_when_the_machine_was_busy_does_not_count() -> None:
    passes: list[str] = []

    def stumble(version: str) -> None:
        passes.append(version)
        if len(passes) == 5:
            sleep(0.2)

    _, ms_per_message = measure(Lengths("a", stumble), TEXTS * 2)
    assert 0 < ms_per_message < 1


def test_no_texts_are_no_measure() -> None:
    with pytest.raises(ValueError, match="no texts"):
        measure(Lengths("a", lambda _: None), [])
