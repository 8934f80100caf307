"""A checkpoint, the int8 bundle made of it, and the checkpoint made of that bundle agree."""

from pathlib import Path

import numpy as np
import pytest

from overheard.errors import BundleError, OverheardError
from overheard.scoring.onnx import OnnxEngine

transformers = pytest.importorskip("transformers", reason="training is not installed")
torch = pytest.importorskip("torch", reason="training is not installed")

from overheard.training.dequantise import dequantise  # noqa: E402
from overheard.training.export import export_bundle  # noqa: E402
from tests.checkpoints import save_checkpoint, texts  # noqa: E402


def probabilities(checkpoint: Path, engine: OnnxEngine, samples: list[str]) -> np.ndarray:
    """What transformers says, text by text, in the order negative, neutral, positive."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    columns = [
        {name.lower(): i for i, name in model.config.id2label.items()}[x] for x in ("negative", "neutral", "positive")
    ]
    with torch.no_grad():
        logits = [model(input_ids=torch.tensor([list(tokens)])).logits[0] for tokens in engine.encode(samples)]
    return torch.stack(logits).softmax(dim=1).numpy()[:, columns]


@pytest.fixture(scope="module", params=["bert", "roberta"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    directory = tmp_path_factory.mktemp(request.param)
    checkpoint = save_checkpoint(request.param, directory / "checkpoint")
    facts = {"name": "small", "base": "random", "max_tokens": 32}
    export_bundle(checkpoint, directory / "bundle", calibration=texts(100, seed=1), **facts)
    return checkpoint, directory / "bundle"


def test_the_bundle_says_what_the_checkpoint_says(exported: tuple[Path, Path]) -> None:
    checkpoint, bundle = exported
    engine = OnnxEngine(bundle, threads=1)
    samples = texts(100, seed=2)
    trained, served = probabilities(checkpoint, engine, samples), engine.score(samples)
    assert trained.std(axis=0).min() > 0.05  # the texts differ, so agreement means something
    assert np.abs(trained - served).mean() < 0.03
    assert (trained.argmax(axis=1) == served.argmax(axis=1)).mean() > 0.95


def test_weights_rebuilt_from_the_bundle_say_the_same(exported: tuple[Path, Path], tmp_path: Path) -> None:
    checkpoint, bundle = exported
    dequantise(bundle, tmp_path / "rebuilt")
    engine = OnnxEngine(bundle, threads=1)
    samples = texts(100, seed=2)
    before = probabilities(checkpoint, engine, samples)
    after = probabilities(tmp_path / "rebuilt", engine, samples)
    assert np.abs(before - after).mean() < 0.03
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "rebuilt")
    assert tokenizer(samples, truncation=True)["input_ids"] == engine.encode(samples)


def test_a_rebuilt_checkpoint_can_be_exported_again(exported: tuple[Path, Path], tmp_path: Path) -> None:
    dequantise(exported[1], tmp_path / "rebuilt")
    facts = {"name": "small", "base": "rebuilt", "max_tokens": 32}
    export_bundle(tmp_path / "rebuilt", tmp_path / "again", calibration=texts(100, seed=1), **facts)
    samples = texts(50, seed=2)
    first, again = (OnnxEngine(bundle, threads=1).score(samples) for bundle in (exported[1], tmp_path / "again"))
    assert np.abs(first - again).mean() < 0.03


def test_exporting_replaces_the_bundle_that_was_there(exported: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    facts = {"calibration": texts(20, seed=1), "name": "small", "base": "random", "max_tokens": 32}
    first = export_bundle(exported[0], out, **facts)
    second = export_bundle(exported[0], out, **facts, temperature=2.0)
    assert first.version != second.version == OnnxEngine(out, threads=1).version
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_model_that_does_not_name_its_labels_is_refused(tmp_path: Path) -> None:
    names = {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    checkpoint = save_checkpoint("bert", tmp_path / "checkpoint", id2label=names)
    with pytest.raises(BundleError, match="labels are label_0"):
        export_bundle(
            checkpoint, tmp_path / "bundle", calibration=["word1"], name="small", base="random", max_tokens=32
        )
    assert not (tmp_path / "bundle").exists()


def test_a_model_of_another_family_is_refused_by_name(tmp_path: Path) -> None:
    checkpoint = save_checkpoint("distilbert", tmp_path / "checkpoint")
    with pytest.raises(OverheardError, match="distilbert"):
        export_bundle(
            checkpoint, tmp_path / "bundle", calibration=["word1"], name="small", base="random", max_tokens=32
        )


def test_a_bundle_that_is_not_whole_is_not_trained_on(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="can't be read"):
        dequantise(tmp_path, tmp_path / "rebuilt")
