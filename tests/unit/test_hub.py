"""Models of the Hub, through its own client and over HTTP, and what happens when the Hub is away."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training is not installed")

from tests.checkpoints import save_checkpoint
from tests.hub import Hub
from tests.stack import free_port

LOCATE = "from overheard.registry import locate; print(locate(sys.argv[1], models))"
PREFIX = "import sys, logging; logging.basicConfig(); from pathlib import Path; models = Path(sys.argv[2]); "
FETCH = "from overheard import hub; print(hub.fetch(hub.resolve(sys.argv[1], models)))"


class Machine:
    """A folder of converted models and a cache of the Hub's client."""

    def __init__(self, directory: Path) -> None:
        self.models, self.cache = directory / "models", directory / "cache"

    def run(self, script: str, model: str, url: str) -> "subprocess.CompletedProcess[str]":
        """In a process of its own: the Hub's client reads its settings when it is imported."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        return subprocess.run(
            [sys.executable, "-c", PREFIX + script, model, str(self.models)],
            env={**clean, "HF_ENDPOINT": url, "HF_HOME": str(self.cache), "HF_HUB_DISABLE_XET": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    def finds(self, model: str, url: str) -> Path:
        found = self.run(LOCATE, model, url)
        assert found.returncode == 0, found.stderr
        return Path(found.stdout.strip())

    def fetches(self, model: str, url: str) -> Path:
        fetched = self.run(FETCH, model, url)
        assert fetched.returncode == 0, fetched.stderr
        return Path(fetched.stdout.strip())

    def refuses(self, model: str, url: str) -> str:
        refused = self.run(FETCH, model, url)
        assert refused.returncode == 1
        return refused.stderr.strip().rpartition("\n")[2]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint("roberta", tmp_path_factory.mktemp("published") / "model", initializer_range=0.12)


def models_asked(hub: Hub) -> list[str]:
    return [path for path in hub.asked if "owner" in path]  # not what the client asks about itself


def nobody() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.mark.slow
def test_a_model_of_the_hub_is_converted_and_stays_when_the_hub_goes(checkpoint: Path, machine: Machine) -> None:
    with Hub() as hub:
        commit = hub.publish("owner/model", checkpoint)
        bundle = machine.finds("owner/model", hub.url)
        assert bundle.name.startswith("owner--model-")
        assert f"owner/model@{commit}" in (bundle / "manifest.json").read_text()
        hub.asked.clear()
        assert machine.finds("owner/model", hub.url) == bundle
        assert models_asked(hub) == ["/api/models/owner/model/revision/main"]  # whether it has changed
        hub.asked.clear()
        assert machine.finds(f"owner/model@{commit}", hub.url) == bundle
        assert models_asked(hub) == []  # a commit can't change
    shutil.rmtree(machine.cache)
    assert machine.finds("owner/model", nobody()) == bundle


def test_a_snapshot_that_another_program_has_fetched_is_enough(checkpoint: Path, machine: Machine) -> None:
    with Hub() as hub:
        commit = hub.publish("owner/model", checkpoint)
        machine.run(
            "from huggingface_hub import snapshot_download; snapshot_download(sys.argv[1])", "owner/model", hub.url
        )
    found = machine.run(FETCH, "owner/model", nobody())
    assert Path(found.stdout.strip()).name == commit, found.stderr
    assert "the Hub can't say what owner/model is now" in found.stderr


@pytest.mark.slow
def test_a_new_commit_is_another_bundle(checkpoint: Path, machine: Machine, tmp_path: Path) -> None:
    with Hub() as hub:
        first_commit = hub.publish("owner/model", checkpoint)
        first = machine.finds("owner/model", hub.url)
        newer = save_checkpoint("bert", tmp_path / "newer", initializer_range=0.12)
        hub.publish("owner/model", newer)
        assert machine.finds("owner/model", hub.url) != first
        assert machine.finds(f"owner/model@{first_commit}", hub.url) == first


def test_no_hub_and_nothing_kept_says_what_to_do(machine: Machine) -> None:
    reason = machine.refuses("owner/model", nobody())
    assert "the Hub can't be reached" in reason
    assert "start once with a network, or name a directory" in reason


def test_a_model_that_the_hub_does_not_have_is_named(machine: Machine) -> None:
    with Hub() as hub:
        assert "owner/typo: is neither a directory here nor" in machine.refuses("owner/typo", hub.url)


def test_a_revision_without_safetensors_is_refused_and_one_with_them_is_found(
    checkpoint: Path, machine: Machine, tmp_path: Path
) -> None:
    bare = shutil.copytree(checkpoint, tmp_path / "bare")
    (bare / "model.safetensors").rename(bare / "pytorch_model.bin")
    with Hub() as hub:
        hub.publish("owner/model", bare)
        hub.publish("owner/model", checkpoint, "with-safetensors")
        assert "name a revision that has them: owner/model@REVISION" in machine.refuses("owner/model", hub.url)
        assert "has no such revision" in machine.refuses("owner/model@nothing", hub.url)
        assert not any(path.endswith(".bin") for path in hub.asked)
        fetched = machine.fetches("owner/model@with-safetensors", hub.url)
    assert {path.name for path in fetched.iterdir()} == {path.name for path in checkpoint.iterdir()}


def test_a_checkpoint_beside_a_manifest_of_another_program_is_a_checkpoint(
    checkpoint: Path, machine: Machine, tmp_path: Path
) -> None:
    beside = shutil.copytree(checkpoint, tmp_path / "beside")
    (beside / "manifest.json").write_text('{"short_name": "app"}')
    (beside / "model.onnx").write_bytes(b"somebody's own export")
    with Hub() as hub:
        hub.publish("owner/model", beside)
        fetched = machine.fetches("owner/model", hub.url)
    assert {path.name for path in fetched.iterdir()} == {path.name for path in checkpoint.iterdir()} | {"manifest.json"}
