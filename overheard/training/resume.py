"""Checkpoints of a training under way: a process that was killed is resumed by another, which ends with equal weights.

A folder holds at most two of them: one that is complete and one that is being written. What makes one complete is a
file that is put there last and names all others; whatever else a killed process leaves is removed.
"""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, TrainerCallback

from overheard.training.average import WeightAverage
from overheard.training.batches import Encoded, Learned
from overheard.training.recipe import Recipe
from overheard.training.validation import Judgement, Validation

SAVE_EVERY_S: Final = 30.0
_COSTS: Final = 20
"""Saves are at least so many times as far apart as one takes: at most a twentieth of the time goes to them."""

_COMPLETE, _AVERAGE, _BEST = "complete.json", "average.safetensors", "best.safetensors"
log = logging.getLogger(__name__)


class Checkpoints(TrainerCallback):
    """Has the Trainer save itself from time to time, adds what it does not know of, and finds the newest again.

    identity: checkpoints of another one are of no use here. every_s: seconds from one save to the next; 0: every step.
    """

    def __init__(
        self, folder: Path, identity: str, average: WeightAverage, validation: Validation | None, every_s: float
    ) -> None:
        self._folder, self._identity, self._every_s = folder, identity, every_s
        self._average, self._validation = average, validation
        self._due_at = self._asked_at = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        self.newest = max(self._usable(), key=_step, default=None)
        self.tidy()

    def tidy(self) -> None:
        """Remove all checkpoints but the newest complete one."""
        for path in self._folder.glob("checkpoint-*"):
            if path != self.newest:
                (path / _COMPLETE).unlink(missing_ok=True)
                shutil.rmtree(path)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.newest:
            log.info("resuming at step %d of %d", state.global_step, state.max_steps)
            self._restore(self.newest, str(args.device))
        self._due_at = time.monotonic() + self._every_s

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if time.monotonic() >= self._due_at and not control.should_training_stop:
            control.should_save = True
            self._asked_at = time.monotonic()

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The Trainer's own part is written: add ours, the mark last."""
        path = self._folder / f"checkpoint-{state.global_step}"
        save_file(self._average.weights, path / _AVERAGE)
        history: list[Judgement] = []
        if self._validation and self._validation.best_weights:
            history = self._validation.history
            save_file(self._validation.best_weights, path / _BEST)
        facts = {
            "identity": self._identity,
            "files": {file.name: file.stat().st_size for file in path.iterdir()},
            "history": [asdict(judgement) for judgement in history],
        }
        draft = path / f".{_COMPLETE}"
        draft.write_text(json.dumps(facts))
        draft.replace(path / _COMPLETE)
        self.newest = path
        self.tidy()
        now = time.monotonic()
        self._due_at = now + (max(self._every_s, _COSTS * (now - self._asked_at)) if self._every_s else 0.0)

    def _restore(self, path: Path, device: str) -> None:
        self._average.weights = load_file(path / _AVERAGE, device)
        if self._validation and (path / _BEST).is_file():
            history = json.loads((path / _COMPLETE).read_text())["history"]
            self._validation.restore([Judgement(**facts) for facts in history], load_file(path / _BEST, device))

    def _usable(self) -> Iterator[Path]:
        for path in self._folder.glob("checkpoint-*"):
            try:
                facts = json.loads((path / _COMPLETE).read_text())
                is_whole = all((path / name).stat().st_size == size for name, size in facts["files"].items())
            except (OSError, ValueError):
                continue
            if is_whole and facts["identity"] == self._identity:
                yield path


def identify(model: PreTrainedModel, recipe: Recipe, learned: Learned, judged: Encoded | None) -> str:
    """What decides how a training goes: the weights it starts from, the recipe, what is learned and judged on."""
    rows = [learned.tokens, learned.targets.tolist(), judged and [judged.tokens, judged.labels]]
    digest = hashlib.sha256(json.dumps([asdict(recipe), rows]).encode())
    for name, weight in model.named_parameters():
        digest.update(name.encode() + np.ascontiguousarray(weight.detach().numpy()).tobytes())
    return digest.hexdigest()


def _step(path: Path) -> int:
    return int(path.name.rpartition("-")[2])
