"""A training that is stopped or killed goes on from its last checkpoint and ends as if nothing had happened."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers", reason="training is not installed")

from safetensors.numpy import load_file

from overheard.training.finetune import FineTuned, finetune
from overheard.training.progress import Progress
from tests.toys import RECIPE, save_base, toy_rows

ROWS, VALIDATION = toy_rows(102, seed=1), toy_rows(30, seed=2)  # 7 steps an epoch
RECIPE_HERE = replace(RECIPE, epochs=4, word_dropout=0.2, judgements_per_epoch=2, patience=99)
CHILD = """
import signal, sys
from pathlib import Path
from tests.unit.test_resume import train

def told(progress):
    if progress.step == 17:
        print("at step 17", flush=True)
        signal.pause()

train(sys.argv[1], Path(sys.argv[2]), told)
"""


class Stopped(Exception):
    pass


def train(base: str, folder: Path, on_step: Callable[[Progress], None] = lambda progress: None) -> FineTuned:
    return finetune(
        base,
        ROWS,
        folder / "out",
        RECIPE_HERE,
        validation=VALIDATION,
        checkpoints=folder / "checkpoints",
        on_step=on_step,
        save_every_s=0,
    )


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def undisturbed(base: str, tmp_path_factory: pytest.TempPathFactory) -> FineTuned:
    return train(base, tmp_path_factory.mktemp("undisturbed"))


def stop_at(step: int) -> Callable[[Progress], None]:
    def told(progress: Progress) -> None:
        if progress.step == step:
            raise Stopped

    return told


def assert_equal(first: FineTuned, second: FineTuned) -> None:
    ours, theirs = (load_file(result.directory / "model.safetensors") for result in (first, second))
    for name, weights in ours.items():
        np.testing.assert_array_equal(weights, theirs[name], err_msg=name)
    assert first.judgements == second.judgements
    assert first.steps == second.steps


def test_a_killed_training_ends_with_the_weights_of_an_undisturbed_one(
    base: str, undisturbed: FineTuned, tmp_path: Path
) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, base, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "at step 17\n"
        child.send_signal(signal.SIGKILL)
    assert not (tmp_path / "out").exists()

    steps: list[int] = []
    resumed = train(base, tmp_path, lambda progress: steps.append(progress.step))

    assert steps[0] == 17  # the kill came before its save
    assert_equal(resumed, undisturbed)


@pytest.mark.parametrize("step", [8, 9, 28], ids=["after an epoch", "within an epoch", "at the end"])
def test_a_training_goes_on_wherever_it_was_stopped(
    step: int, base: str, undisturbed: FineTuned, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        train(base, tmp_path, stop_at(step))
    assert not (tmp_path / "out").exists()
    assert_equal(train(base, tmp_path), undisturbed)


def test_a_half_written_checkpoint_is_ignored_and_removed(base: str, undisturbed: FineTuned, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(base, tmp_path, stop_at(12))
    checkpoints = tmp_path / "checkpoints"
    whole = checkpoints / "checkpoint-11"
    assert list(checkpoints.iterdir()) == [whole]
    for number, damage in (("12", "complete.json"), ("13", "optimizer.pt")):
        shutil.copytree(whole, checkpoints / f"checkpoint-{number}")
        (checkpoints / f"checkpoint-{number}" / damage).write_bytes(b"{")

    seen: list[tuple[int, list[str]]] = []
    train_on = train(
        base, tmp_path, lambda progress: seen.append((progress.step, [path.name for path in checkpoints.iterdir()]))
    )

    assert seen[0] == (12, ["checkpoint-11"])
    assert all(len(names) == 1 for _, names in seen)
    assert_equal(train_on, undisturbed)


def test_checkpoints_of_another_training_are_not_used(base: str, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(base, tmp_path, stop_at(5))

    steps: list[int] = []
    finetune(
        base,
        toy_rows(102, seed=3),
        tmp_path / "out",
        RECIPE_HERE,
        validation=VALIDATION,
        checkpoints=tmp_path / "checkpoints",
        on_step=lambda progress: steps.append(progress.step),
    )

    assert steps[0] == 1
    assert list((tmp_path / "checkpoints").iterdir()) == []  # and half a minute had not passed
