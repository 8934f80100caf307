"""What a training can start from, and that labels keep their meaning whatever their order was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

transformers = pytest.importorskip("transformers", reason="training is not installed")
torch = pytest.importorskip("torch", reason="training is not installed")

from overheard import demo  # noqa: E402
from overheard.errors import BundleError  # noqa: E402
from overheard.scoring.bundle import LABELS  # noqa: E402
from overheard.scoring.engine import softmax  # noqa: E402
from overheard.scoring.onnx import OnnxEngine  # noqa: E402
from overheard.training.base import open_base  # noqa: E402
from overheard.training.convert import convert  # noqa: E402
from overheard.training.data import Rows  # noqa: E402
from overheard.training.export import export_bundle  # noqa: E402
from overheard.training.finetune import finetune  # noqa: E402
from overheard.training.predict import logits_of, predict_logits  # noqa: E402
from tests.checkpoints import FAMILIES, save_checkpoint  # noqa: E402
from tests.toys import RECIPE, save_base, toy_rows  # noqa: E402

POSTS = [post.text for post in demo.posts()[:20]]
ORDER = [1, 2, 0]  # of our labels among those of tests.checkpoints


def answers(base: str | Path, scratch: Path) -> np.ndarray:
    opened = open_base(str(base), scratch)
    opened.model.eval()
    return logits_of(opened.model, opened.tokenizer, POSTS, 64)


def named(*labels: str) -> dict[str, object]:
    return {"id2label": dict(enumerate(labels)), "label2id": {label: place for place, label in enumerate(labels)}}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sentiment_classifier_keeps_its_head_with_the_labels_in_our_order(family: str, tmp_path: Path) -> None:
    checkpoint = save_checkpoint(family, tmp_path / "checkpoint")
    np.testing.assert_allclose(
        answers(checkpoint, tmp_path), predict_logits(checkpoint, POSTS, 64)[:, ORDER], atol=1e-5
    )


def test_labels_of_the_stock_market_are_ours(tmp_path: Path) -> None:
    checkpoint = save_checkpoint("bert", tmp_path / "checkpoint", **named("Bearish", "Bullish", "Neutral"))
    expected = predict_logits(checkpoint, POSTS, 64)[:, [0, 2, 1]]
    np.testing.assert_allclose(answers(checkpoint, tmp_path), expected, atol=1e-5)


@pytest.mark.parametrize(
    "labels", [("LABEL_0", "LABEL_1", "LABEL_2"), ("contradiction", "entailment", "neutral"), ("negative", "positive")]
)
def test_a_head_for_other_labels_is_replaced(labels: tuple[str, ...], tmp_path: Path) -> None:
    checkpoint = save_checkpoint("bert", tmp_path / "checkpoint", **named(*labels))
    before = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint)
    model = open_base(str(checkpoint), tmp_path).model
    for name, weight in before.bert.named_parameters():
        assert model.get_parameter(f"bert.{name}").equal(weight)
    assert not model.classifier.weight[0].equal(before.classifier.weight[0])
    assert model.config.id2label == dict(enumerate(LABELS))


def test_what_was_trained_on_goes_on_from_its_answers(tmp_path: Path) -> None:
    """A training that learns nothing leaves a classifier as it was, but for the order of its labels."""
    checkpoint, rows = save_checkpoint("bert", tmp_path / "checkpoint"), Rows(tuple(POSTS), (0, 1, 2, 2) * 5)
    finetune(str(checkpoint), rows, tmp_path / "out", replace(RECIPE, epochs=1, learning_rate=0.0))
    expected = predict_logits(checkpoint, POSTS, 64)[:, ORDER]
    np.testing.assert_allclose(predict_logits(tmp_path / "out", POSTS, 64), expected, atol=1e-5)


def test_a_bundle_with_float_weights_is_a_base(tmp_path: Path) -> None:
    checkpoint = save_checkpoint("roberta", tmp_path / "checkpoint")
    convert(checkpoint, tmp_path / "bundle", "small", form="float32")
    expected = predict_logits(checkpoint, POSTS, 64)[:, ORDER]
    np.testing.assert_allclose(answers(tmp_path / "bundle", tmp_path), expected, atol=1e-5)


def test_a_bundle_without_float_weights_is_a_base(tmp_path: Path) -> None:
    checkpoint = save_checkpoint("bert", tmp_path / "checkpoint", initializer_range=0.12)
    export_bundle(checkpoint, tmp_path / "bundle", calibration=POSTS, name="small", base="small", max_tokens=64)
    served = OnnxEngine(tmp_path / "bundle", threads=1).score(POSTS)
    assert np.abs(softmax(answers(tmp_path / "bundle", tmp_path), 1.0) - served).max() < 0.02


def test_weights_kept_in_16_bits_are_trained_in_32(tmp_path: Path) -> None:
    checkpoint = save_checkpoint("bert", tmp_path / "checkpoint")
    transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint).half().save_pretrained(checkpoint)
    model = open_base(str(checkpoint), tmp_path).model
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


def test_texts_are_cut_where_a_base_has_no_more_positions(tmp_path: Path) -> None:
    checkpoint = save_checkpoint("roberta", tmp_path / "checkpoint")  # 66, of which the first is for padding
    rows = Rows(("word1 " * 200,) * 60, (0, 1, 2) * 20)
    result = finetune(str(checkpoint), rows, tmp_path / "out", replace(RECIPE, epochs=1, max_tokens=128))
    assert result.max_tokens == 65


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("config.json", "can't be loaded: "),
        ("model.safetensors", "can't be loaded: "),
        ("tokenizer.json", "has no tokenizer.json, nor files that one could be made of"),
    ],
)
def test_a_base_that_can_not_be_loaded_is_refused_in_one_line(broken: str, said: str, tmp_path: Path) -> None:
    base = Path(save_base(tmp_path / "base"))
    (base / broken).unlink()
    with pytest.raises(BundleError) as raised:
        finetune(str(base), toy_rows(60, seed=1), tmp_path / "out", RECIPE)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_a_base_without_all_of_its_weights_is_refused(tmp_path: Path) -> None:
    base = Path(save_base(tmp_path / "base"))
    config = transformers.AutoConfig.from_pretrained(base, num_hidden_layers=3)
    config.save_pretrained(base)
    with pytest.raises(BundleError, match=r"can't be trained: it has no weights for bert\.encoder\.layer\.2\."):
        open_base(str(base), tmp_path)
