"""The CPU back end, with the bundled model."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from overheard.errors import BundleError
from overheard.scoring.bundle import load_manifest, write_manifest
from overheard.scoring.onnx import OnnxEngine

STARTER = Path(__file__).parents[2] / "overheard" / "starter"
TEXTS = [
    "I love this phone, best day ever!",
    "The shop opens at nine on Mondays.",
    "Worst service of my life, I want my money back.",
]
MATES = [
    "ok",
    "",
    "!!!",
    "😡😡😡😡😡😡😡😡",
    "AMAZING AMAZING AMAZING " * 40,
    "the parcel arrived and nobody was at home to open the door " * 30,
    *(f"message number {number} says that things are {'fine' * (number % 3)}" for number in range(25)),
]


@pytest.fixture(scope="module")
def engine() -> OnnxEngine:
    return OnnxEngine(STARTER, threads=1)


def copy_of_starter(to: Path) -> Path:
    return Path(shutil.copytree(STARTER, to / "bundle"))


def test_it_knows_praise_from_news_from_a_complaint(engine: OnnxEngine) -> None:
    assert engine.score(TEXTS).argmax(axis=1).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \t\n",
        "x" * 10_000,
        "word " * 2_000,
        "😀" * 300,
        "👩\u200d👩\u200d👧\u200d👦",
        "שירות מצוין, תודה רבה",
        "خدمة سيئة للغاية",
        "half a pair \ud83d here",
        "\ude00",
        "nul\x00 in \x00 between",
        "\ufeff\u202eabc",
    ],
)
def test_any_text_gets_probabilities(engine: OnnxEngine, text: str) -> None:
    probabilities = engine.score([text])
    assert probabilities.shape == (1, 3)
    assert probabilities.dtype == np.float32
    assert np.isfinite(probabilities).all()
    assert (probabilities >= 0).all()
    assert probabilities.sum() == pytest.approx(1, abs=1e-6)


def test_no_texts_no_scores(engine: OnnxEngine) -> None:
    assert engine.score([]).shape == (0, 3)


def test_a_text_scores_the_same_alone_and_among_31_others(engine: OnnxEngine) -> None:
    for text in [*TEXTS, ""]:
        (alone,) = engine.forward(engine.encode([text]))
        together = engine.forward(engine.encode([*MATES[:10], text, *MATES[10:]]))
        assert np.abs(together[10] - alone).max() < 1e-3


def test_scores_come_in_the_order_of_the_texts(engine: OnnxEngine) -> None:
    texts = [*MATES, *TEXTS]
    one_by_one = np.concatenate([engine.score([text]) for text in texts])
    assert np.abs(engine.score(texts) - one_by_one).max() < 1e-3


def test_text_beyond_the_models_length_changes_nothing(engine: OnnxEngine) -> None:
    start = "so happy with it " * engine.manifest.max_tokens
    assert len(engine.encode([start])[0]) == engine.manifest.max_tokens
    assert engine.score([start])[0] == pytest.approx(engine.score([start + "but then it broke " * 900])[0])


def test_mentions_and_links_are_masked_before_scoring(engine: OnnxEngine) -> None:
    assert engine.encode(["@one see https://a.example"]) == engine.encode(["@another see http://b.example/c"])


def test_a_second_load_gives_the_same_scores(engine: OnnxEngine) -> None:
    assert OnnxEngine(STARTER, threads=2).score(TEXTS) == pytest.approx(engine.score(TEXTS), abs=1e-5)


def test_a_higher_temperature_makes_it_less_sure_but_not_of_another_opinion(engine: OnnxEngine, tmp_path: Path) -> None:
    facts = engine.manifest.model_dump(exclude={"version", "files"})
    copy = copy_of_starter(tmp_path)
    write_manifest(copy, facts | {"temperature": engine.manifest.temperature * 3})
    doubtful, sure = OnnxEngine(copy, threads=1).score(TEXTS), engine.score(TEXTS)
    assert (doubtful.argmax(axis=1) == sure.argmax(axis=1)).all()
    assert (doubtful.max(axis=1) < sure.max(axis=1)).all()


def test_a_model_with_its_labels_in_another_order_is_read_by_name(engine: OnnxEngine, tmp_path: Path) -> None:
    facts = engine.manifest.model_dump(exclude={"version", "files"})
    copy = copy_of_starter(tmp_path)
    write_manifest(copy, facts | {"labels": ("positive", "neutral", "negative")})
    assert OnnxEngine(copy, threads=1).score(TEXTS) == pytest.approx(engine.score(TEXTS)[:, ::-1], abs=1e-6)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_damaged_bundle_never_scores(name: str, tmp_path: Path) -> None:
    copy = copy_of_starter(tmp_path)
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=name):
        OnnxEngine(copy, threads=1)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_file_that_is_what_the_manifest_says_but_no_model_is_refused(name: str, tmp_path: Path) -> None:
    copy = copy_of_starter(tmp_path)
    facts = load_manifest(copy).model_dump(exclude={"version", "files"})
    (copy / name).write_bytes(b"{}")
    write_manifest(copy, facts)
    with pytest.raises(BundleError, match="can't be loaded") as raised:
        OnnxEngine(copy, threads=1)
    assert "\n" not in str(raised.value)
