"""The two ways of fine-tuning that `bench.training` compares, each until its time is up."""

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
import transformers

from overheard.evaluation import evaluate
from overheard.scoring.engine import softmax
from overheard.scoring.text import clean
from overheard.training.base import open_base
from overheard.training.data import Rows
from overheard.training.finetune import finetune
from overheard.training.predict import logits_of
from overheard.training.progress import Progress
from overheard.training.recipe import Recipe

PADDED_TO, BATCH, RATE, EPOCHS = 256, 8, 2e-5, 3
JUDGEMENTS: Final = 10
"""Of the plain side, in its time; ours is judged by itself, each OURS_EVERY steps."""
OURS_EVERY: Final = 10


class TimeIsUp(Exception):
    """Raised after the step with which a side has had its time."""


@dataclass
class Clock:
    """How long a side has trained. It starts with the end of the first step, which warms the machine up.

    points: seconds of training and the macro-recall then.
    """

    limit_s: float
    seconds: float = 0.0
    examples: int = 0
    points: list[tuple[float, float]] = field(default_factory=list)
    _since: float | None = None

    def count(self, examples: int) -> None:
        """All that has passed was training on so many examples."""
        now = time.monotonic()
        if self._since is not None:
            self.seconds += now - self._since
            self.examples += examples
        self._since = now

    def leave_out(self) -> None:
        """All that has passed was something else."""
        self._since = time.monotonic()

    def judged(self, macro_recall: float) -> None:
        self.points.append((round(self.seconds, 1), round(macro_recall, 4)))

    def check(self) -> None:
        if self.seconds >= self.limit_s:
            raise TimeIsUp

    def facts(self) -> dict[str, Any]:
        """For the report."""
        per_s = self.examples / self.seconds if self.seconds else 0.0
        return {
            "seconds": round(self.seconds, 1),
            "examples": self.examples,
            "per_s": round(per_s, 2),
            "points": self.points,
        }


def ours(base: str, rows: Rows, held_out: Rows, clock: Clock) -> None:
    """The product's own fine-tuning, but for how often it judges and that it never gives up. Raises TimeIsUp."""
    recipe = Recipe()
    per_epoch = max(1, len(rows) // recipe.batch_size // OURS_EVERY)
    listener = _Listener(clock, recipe.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        finetune(
            base,
            rows,
            Path(folder) / "out",
            replace(recipe, judgements_per_epoch=per_epoch, patience=sys.maxsize),
            validation=held_out,
            on_step=listener,
        )


class _Listener:
    """Tells steps from judgements: during one the last step is told again after each forward pass.

    The first pass of a judgement counts as training, as it can't be told from its step.
    """

    def __init__(self, clock: Clock, batch_size: int) -> None:
        self._clock, self._batch_size = clock, batch_size
        self._step = self._passes = 0

    def __call__(self, progress: Progress) -> None:
        if progress.step == self._step:
            self._passes += 1
            if self._passes == 1:
                self._clock.count(self._batch_size)
            else:
                self._clock.leave_out()
            return
        if self._passes and progress.macro_recall is not None:
            self._clock.leave_out()
            self._clock.judged(progress.macro_recall)
        else:
            self._clock.count(self._batch_size)
        self._step, self._passes = progress.step, 0
        self._clock.check()


def plain(base: str, rows: Rows, held_out: Rows, clock: Clock) -> None:
    """What this project's fine-tuning took the place of: a Trainer with nothing thought of. Raises TimeIsUp."""
    transformers.set_seed(0)
    on_cpu = not torch.cuda.is_available()
    with tempfile.TemporaryDirectory() as folder:
        opened = open_base(base, Path(folder))
        tokens = opened.tokenizer(
            [clean(text) for text in rows.texts], truncation=True, max_length=PADDED_TO, padding="max_length"
        )
        columns = zip(tokens["input_ids"], tokens["attention_mask"], rows.labels, strict=True)
        trainer = transformers.Trainer(
            model=opened.model,
            args=transformers.TrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=BATCH,
                learning_rate=RATE,
                num_train_epochs=EPOCHS,
                use_cpu=on_cpu,
                dataloader_pin_memory=not on_cpu,
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
            train_dataset=[dict(zip(("input_ids", "attention_mask", "labels"), row, strict=True)) for row in columns],
            callbacks=[_Judge(held_out.texts, held_out.labels, opened.tokenizer, clock)],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()


class _Judge(transformers.TrainerCallback):
    def __init__(self, texts: Sequence[str], labels: Sequence[int], tokenizer: Any, clock: Clock) -> None:
        self._texts, self._labels, self._tokenizer, self._clock = texts, labels, tokenizer, clock

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._clock.count(BATCH)
        if self._clock.seconds >= (len(self._clock.points) + 1) * self._clock.limit_s / JUDGEMENTS:
            model = kwargs["model"].eval()
            logits = logits_of(model, self._tokenizer, self._texts, Recipe().max_tokens)
            self._clock.judged(evaluate(softmax(logits, 1.0), self._labels).macro_recall)
            self._clock.leave_out()
        self._clock.check()
