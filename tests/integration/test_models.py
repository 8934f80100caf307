"""A stack that serves somebody's own checkpoint."""

from pathlib import Path

import pytest

from tests.stack import RunningStack

pytest.importorskip("torch", reason="training is not installed")

from tests.checkpoints import save_checkpoint


@pytest.mark.slow
def test_a_checkpoint_is_converted_at_the_first_start_and_served_by_every_later_one(tmp_path: Path) -> None:
    checkpoint = save_checkpoint("electra", tmp_path / "mine", initializer_range=0.12)
    home = tmp_path / "home"
    with RunningStack(home, first_model=checkpoint) as stack:
        assert f"converting {checkpoint}" in stack.output.read_text()
        first = stack.infer(["word1 word2", "word3"])
        assert first.status_code == 200
        (bundle,) = (home / "models").glob("mine-*/manifest.json")
        assert first.headers["Overheard-Model"] in bundle.read_text()
        loaded = Path(f"/proc/{stack.program('worker', 'ml').pid}/maps").read_text()
        assert "onnxruntime" in loaded
        assert "libtorch" not in loaded
    with RunningStack(home, first_model=checkpoint) as stack:
        assert "converting" not in stack.output.read_text()
        assert stack.infer(["word1 word2", "word3"]).json() == first.json()


@pytest.mark.slow
def test_a_checkpoint_that_is_no_sentiment_classifier_is_refused_before_anything_starts(tmp_path: Path) -> None:
    checkpoint = save_checkpoint("bert", tmp_path / "mine", id2label={0: "spam", 1: "ham"})
    stack = RunningStack(tmp_path / "home", first_model=checkpoint)
    with pytest.raises(AssertionError, match="has 2 outputs instead of 3"), stack:
        pass
    assert stack.processes() == []
