"""Full disks and too little memory are said so that somebody can do something about it."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training is not installed")
pytest.importorskip("transformers", reason="training is not installed")

from safetensors import SafetensorError  # noqa: E402

from overheard.errors import BundleError, NoMemory, NoRoom, OverheardError  # noqa: E402
from overheard.training import environment  # noqa: E402
from overheard.training.failures import told_plainly  # noqa: E402
from overheard.training.finetune import finetune  # noqa: E402
from overheard.training.progress import Progress  # noqa: E402
from tests.toys import RECIPE, save_base, toy_rows  # noqa: E402


def raising(error: Exception) -> Callable[[], object]:
    def raises() -> None:
        raise error

    return raises


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: torch.empty(10**15), "this machine has too little memory to fine-tune some/model: "),
        (raising(MemoryError()), "this machine has too little memory"),
        (raising(OSError(errno.ENOMEM, "Cannot allocate memory")), "this machine has too little memory"),
        (raising(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")), "the GPU has too little"),
    ],
)
def test_too_little_memory(act: Callable[[], object], said: str) -> None:
    with pytest.raises(NoMemory, match=said) as raised, told_plainly("some/model"):
        act()
    assert "smaller base model" in str(raised.value)


def test_too_little_memory_for_the_base() -> None:
    error = BundleError("some/model", "can't be loaded: Cannot allocate memory (os error 12)")
    error.__cause__ = MemoryError("Cannot allocate memory (os error 12)")
    with pytest.raises(NoMemory), told_plainly("some/model"):
        raise error


@pytest.mark.parametrize(
    "error",
    [  # what writing to a full disk raised: Python, safetensors, torch.save
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),
    ],
)
def test_a_full_disk(error: Exception) -> None:
    with pytest.raises(NoRoom, match="the disk is full"), told_plainly("some/model"):
        raise error


@pytest.mark.parametrize("error", [OverheardError("cancelled"), RuntimeError("mat1 and mat2"), KeyError("x")])
def test_other_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, told_plainly("some/model"):
        raise error
    assert raised.value is error


def test_a_training_that_runs_out_of_room_leaves_only_whole_checkpoints(tmp_path: Path) -> None:
    checkpoints = tmp_path / "checkpoints"

    def fill(progress: Progress) -> None:
        if progress.step == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(NoRoom):
        finetune(
            save_base(tmp_path / "base"),
            toy_rows(60, seed=1),
            tmp_path / "out",
            RECIPE,
            checkpoints=checkpoints,
            on_step=fill,
            save_every_s=0,
        )

    assert [path.name for path in checkpoints.iterdir()] == ["checkpoint-2"]
    assert not (tmp_path / "out").exists()


def test_where_there_is_no_git_a_training_has_no_revision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in our images: the program once failed there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.described()["git_revision"] == ""
