"""Names to bundles: what is a bundle is taken as it is, what is a checkpoint is converted once."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from overheard.conversion import content_of, convert, place
from overheard.errors import BundleError
from overheard.registry import find, locate
from overheard.scoring.bundle import LABELS, load_manifest

pytest.importorskip("torch", reason="training is not installed")

from tests.checkpoints import save_checkpoint

LOCATE = "import sys, logging; logging.basicConfig(level='INFO'); from pathlib import Path; "
LOCATE += "from overheard.registry import locate; print(locate(sys.argv[1], Path(sys.argv[2])))"


def start(model: object, models: Path, **environment: str) -> "subprocess.Popen[str]":
    """Another process that wants this model."""
    return subprocess.Popen(
        [sys.executable, "-c", LOCATE, str(model), str(models)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint("bert", tmp_path_factory.mktemp("own") / "mine", initializer_range=0.12)


@pytest.fixture(scope="module")
def converted(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle that two processes have found which wanted it at once."""
    models = tmp_path_factory.mktemp("home") / "models"
    both = [start(checkpoint, models) for _ in range(2)]
    outputs = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert len({output for output, _ in outputs}) == 1
    assert sum(log.count("names the same class") for _, log in outputs) == 1  # one converted, the other waited
    return Path(outputs[0][0].strip())


def test_the_starter_and_bundles_are_taken_as_they_are(tmp_path: Path) -> None:
    copy = shutil.copytree(locate("starter", tmp_path / "models"), tmp_path / "copy")
    assert locate(str(copy), tmp_path / "models") == copy
    assert locate("starter", tmp_path / "models", form="int8") == locate("starter", tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_checkpoint_is_converted_once_for_all(converted: Path, checkpoint: Path) -> None:
    before = (converted / "manifest.json").stat().st_mtime_ns
    assert load_manifest(converted).name == "mine"
    assert find(str(checkpoint), converted.parent) == locate(str(checkpoint), converted.parent) == converted
    assert (converted / "manifest.json").stat().st_mtime_ns == before


def test_a_bundle_that_others_have_made_is_taken_over_as_it_is(converted: Path, tmp_path: Path) -> None:
    convert(converted, tmp_path / "models" / "same", "owner/model@1", (), "int8")
    assert load_manifest(tmp_path / "models" / "same") == load_manifest(converted)
    assert [path.name for path in (tmp_path / "models").iterdir() if path.is_dir()] == ["same"]


def test_a_damaged_bundle_is_not_taken_over(converted: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(converted, tmp_path / "damaged")
    (damaged / "model.onnx").write_bytes(b"half")
    with pytest.raises(BundleError, match=r"owner/model@1: model\.onnx has 4 bytes instead of"):
        convert(damaged, tmp_path / "models" / "same", "owner/model@1", (), None)
    assert not (tmp_path / "models" / "same").exists()


@pytest.mark.slow
def test_a_bundle_in_another_form_than_the_wanted_one_is_made_anew(converted: Path, tmp_path: Path) -> None:
    convert(converted, tmp_path / "float", "owner/model@1", (), "float32")
    assert (load_manifest(tmp_path / "float").form, load_manifest(converted).form) == ("float32", "int8")


def test_a_damaged_conversion_is_made_again(converted: Path, checkpoint: Path, tmp_path: Path) -> None:
    models = shutil.copytree(converted.parent, tmp_path / "models")
    damaged = models / converted.name
    (damaged / "model.onnx").write_bytes(b"half")
    assert find(str(checkpoint), models) is None
    assert locate(str(checkpoint), models) == damaged
    assert load_manifest(damaged).version == load_manifest(converted).version


def test_other_weights_labels_or_forms_are_another_bundle(checkpoint: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "mine")
    assert content_of(copy) == content_of(checkpoint)
    facts = [(content_of(copy), (), None), (content_of(copy), LABELS, None), (content_of(copy), (), "float32")]
    (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    facts.append((content_of(copy), (), None))
    assert len({place(tmp_path, "mine", *fact) for fact in facts}) == 4


@pytest.mark.slow
def test_the_starter_in_float32_is_rebuilt_of_its_weights(tmp_path: Path) -> None:
    bundle = locate("starter", tmp_path / "models", form="float32")
    served, rebuilt = load_manifest(locate("starter", tmp_path / "models")), load_manifest(bundle)
    assert rebuilt.form == "float32"
    assert (rebuilt.temperature, rebuilt.max_tokens, rebuilt.labels) == (
        served.temperature,
        served.max_tokens,
        served.labels,
    )


def test_without_what_training_takes_it_says_what_to_install(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\")")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    process = start(checkpoint, tmp_path / "models", PYTHONPATH=path)
    _, log = process.communicate()
    assert process.returncode == 1
    assert "has to be converted, which takes the extra `train`" in log
    assert "pip install" in log


@pytest.mark.slow
def test_labels_that_mean_nothing_are_named_with_what_to_do(checkpoint: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "mine")
    config = json.loads((copy / "config.json").read_text())
    config |= {"id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(BundleError, match="OVERHEARD_FIRST_MODEL_LABELS="):
        locate(str(copy), tmp_path / "models")
    assert load_manifest(locate(str(copy), tmp_path / "models", "positive, Negative,neutral")).labels == (
        "positive",
        "negative",
        "neutral",
    )


@pytest.mark.parametrize("model", ["nowhere", "./owner/name", "~/nowhere", "owner/name/more", "owner/na me"])
def test_what_is_not_there_is_named(model: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not found; name `starter`"):
        locate(model, tmp_path)


def test_a_folder_that_holds_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"neither manifest\.json, as bundles have, nor config\.json"):
        locate(str(tmp_path), tmp_path / "models")
