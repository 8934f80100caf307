"""Anyone's checkpoint becomes a bundle that answers as the checkpoint does, or is refused with a reason."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from overheard import demo
from overheard.errors import BundleError
from overheard.scoring.bundle import FORMS, LABELS, Manifest, load_manifest, write_manifest
from overheard.scoring.onnx import OnnxEngine

transformers = pytest.importorskip("transformers", reason="training is not installed")
torch = pytest.importorskip("torch", reason="training is not installed")

from overheard.scoring.engine import softmax  # noqa: E402
from overheard.training.convert import convert  # noqa: E402
from overheard.training.predict import predict_logits  # noqa: E402
from tests.checkpoints import FAMILIES, save_checkpoint, spoil_int8  # noqa: E402

POSTS = [post.text for post in demo.posts()[:80]]
CALM = {"initializer_range": 0.12}


def expected(checkpoint: Path, manifest: Manifest) -> np.ndarray:
    """What transformers says of POSTS, in the order negative, neutral, positive."""
    return softmax(predict_logits(checkpoint, POSTS, manifest.max_tokens)[:, [1, 2, 0]], 1.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_any_family_answers_as_before(family: str, tmp_path: Path) -> None:
    checkpoint = save_checkpoint(family, tmp_path / "checkpoint", **CALM)
    manifest = convert(checkpoint, tmp_path / "bundle", "small")
    engine = OnnxEngine(tmp_path / "bundle", threads=1)
    served, trained = engine.score(POSTS), expected(checkpoint, manifest)
    assert manifest.form in FORMS
    assert manifest.metrics["conversion"][manifest.form]["argmax"] >= 0.985
    assert trained.std(axis=0).max() > 0.005  # the texts differ, so agreement means something
    assert np.abs(served - trained).max() < 0.05
    assert np.abs(served - trained).mean() < 0.01
    one_by_one = np.concatenate([engine.score([text]) for text in POSTS[:20]])
    assert np.abs(one_by_one - served[:20]).max() < 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_float32_answers_exactly_as_before(family: str, tmp_path: Path) -> None:
    checkpoint = save_checkpoint(family, tmp_path / "checkpoint")
    manifest = convert(checkpoint, tmp_path / "bundle", "small", form="float32")
    assert manifest.form == "float32"
    assert np.abs(OnnxEngine(tmp_path / "bundle", threads=1).score(POSTS) - expected(checkpoint, manifest)).max() < 1e-4


@pytest.mark.parametrize(("layers", "form"), [((), "int8"), ((1,), "mixed"), (range(4), "float32")])
def test_the_fastest_form_that_agrees_is_taken(layers: Iterable[int], form: str, tmp_path: Path) -> None:
    checkpoint = save_checkpoint("bert", tmp_path / "checkpoint", num_hidden_layers=4, **CALM)
    spoil_int8(checkpoint, *layers)
    manifest = convert(checkpoint, tmp_path / "bundle", "small")
    conversion = manifest.metrics["conversion"]
    assert manifest.form == form
    assert list(conversion)[2:] == list(FORMS[: FORMS.index(form) + 1])
    assert all((conversion[tried]["argmax"] >= 0.985) == (tried == form) for tried in list(conversion)[2:])
    assert (
        np.abs(OnnxEngine(tmp_path / "bundle", threads=1).score(POSTS) - expected(checkpoint, manifest)).mean() < 0.01
    )


def test_int8_needs_no_vnni_to_be_exact(tmp_path: Path) -> None:
    """Told that its products may not fit 16 bits, an engine without VNNI takes the slow kernels; they say the same."""
    convert(save_checkpoint("bert", tmp_path / "checkpoint"), tmp_path / "bundle", "small", form="int8")
    fast = OnnxEngine(tmp_path / "bundle", threads=1).score(POSTS)
    facts = load_manifest(tmp_path / "bundle").model_dump(exclude={"version", "files"})
    write_manifest(tmp_path / "bundle", facts | {"fits_16_bits": False})
    assert np.array_equal(OnnxEngine(tmp_path / "bundle", threads=1).score(POSTS), fast)


def test_the_float_weights_stay_in_the_bundle_and_load_as_they_were(tmp_path: Path) -> None:
    checkpoint = save_checkpoint("roberta", tmp_path / "checkpoint")
    convert(checkpoint, tmp_path / "bundle", "small")
    assert predict_logits(tmp_path / "bundle", POSTS, 64) == pytest.approx(predict_logits(checkpoint, POSTS, 64))


def test_a_bundle_is_made_anew_of_its_float_weights(tmp_path: Path) -> None:
    checkpoint = save_checkpoint("bert", tmp_path / "checkpoint", **CALM)
    convert(checkpoint, tmp_path / "bundle", "small")
    manifest = convert(tmp_path / "bundle", tmp_path / "float32", "small", form="float32")
    assert (
        np.abs(OnnxEngine(tmp_path / "float32", threads=1).score(POSTS) - expected(checkpoint, manifest)).max() < 1e-4
    )


def test_a_model_reads_no_more_tokens_than_it_has_positions_for(tmp_path: Path) -> None:
    long = "word1 " * 500
    for family, places in {"bert": 66, "roberta": 65, "mpnet": 64}.items():
        save_checkpoint(family, tmp_path / family)
        manifest = convert(tmp_path / family, tmp_path / f"{family}-bundle", family)
        assert manifest.max_tokens == places
        assert np.isfinite(OnnxEngine(tmp_path / f"{family}-bundle", threads=1).score([long])).all()


@pytest.mark.parametrize("names", [("NEGATIVE", "Neutral", "positive"), ("neutral", "positive", "negative")])
def test_labels_may_come_in_any_order_and_case(names: tuple[str, ...], tmp_path: Path) -> None:
    id2label = dict(enumerate(names))
    checkpoint = save_checkpoint("bert", tmp_path / "checkpoint", id2label=id2label, **CALM)
    convert(checkpoint, tmp_path / "bundle", "small")
    columns = [[name.lower() for name in names].index(label) for label in LABELS]
    trained = softmax(predict_logits(checkpoint, POSTS, 66)[:, columns], 1.0)
    assert np.abs(OnnxEngine(tmp_path / "bundle", threads=1).score(POSTS) - trained).max() < 0.05


def test_labels_without_a_meaning_need_one_given(tmp_path: Path) -> None:
    names = {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    checkpoint = save_checkpoint("bert", tmp_path / "checkpoint", id2label=names)
    with pytest.raises(BundleError, match=r"label_0, label_1, label_2 instead of .* OVERHEARD_FIRST_MODEL_LABELS="):
        convert(checkpoint, tmp_path / "bundle", "small")
    with pytest.raises(BundleError, match="said to be good, so-so, bad"):
        convert(checkpoint, tmp_path / "bundle", "small", labels=("good", "so-so", "bad"))
    assert not (tmp_path / "bundle").exists()
    assert convert(checkpoint, tmp_path / "bundle", "small", labels=LABELS).labels == LABELS


def break_config(checkpoint: Path) -> None:
    (checkpoint / "config.json").write_text("{")


def take_weights(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()


def take_tokenizer(checkpoint: Path) -> None:
    for path in checkpoint.glob("tokenizer*"):
        path.unlink()


def take_head(checkpoint: Path) -> None:
    model = transformers.AutoModel.from_pretrained(checkpoint)
    config = (checkpoint / "config.json").read_text()
    model.save_pretrained(checkpoint)
    (checkpoint / "config.json").write_text(config)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (break_config, "can't be loaded"),
        (take_weights, "can't be loaded"),
        (take_tokenizer, "tokenizer"),
        (take_head, "no weights for classifier"),
    ],
)
def test_what_is_no_whole_classifier_is_refused_in_one_line(damage, reason: str, tmp_path: Path) -> None:
    checkpoint = save_checkpoint("bert", tmp_path / "checkpoint")
    damage(checkpoint)
    with pytest.raises(BundleError, match=reason) as raised:
        convert(checkpoint, tmp_path / "bundle", "small")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "bundle").exists()


def test_two_classes_are_not_three(tmp_path: Path) -> None:
    checkpoint = save_checkpoint("bert", tmp_path / "checkpoint", id2label={0: "negative", 1: "positive"})
    with pytest.raises(BundleError, match="has 2 outputs instead of 3"):
        convert(checkpoint, tmp_path / "bundle", "small")
