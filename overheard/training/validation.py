"""Macro-recall while a model is trained: the best weights so far are kept, and training that leads nowhere ends."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase, TrainerCallback

from overheard.evaluation import evaluate
from overheard.scoring.engine import softmax
from overheard.training.average import WeightAverage, put
from overheard.training.batches import Encoded
from overheard.training.predict import logits_of_tokens


@dataclass(frozen=True)
class Judgement:
    """Macro-recall on the validation rows of the averaged weights, after so many steps."""

    step: int
    macro_recall: float


class Validation(TrainerCallback):
    """Judges the averaged weights every `every` steps and at the last; leaves the best in the model at the end.

    rows: to judge on. history: judgements are appended to it. patience: as in Recipe. on_pass: called after each
    forward pass.
    """

    def __init__(
        self,
        rows: Encoded,
        tokenizer: PreTrainedTokenizerBase,
        average: WeightAverage,
        history: list[Judgement],
        every: int,
        patience: int,
        on_pass: Callable[[], None],
    ) -> None:
        self._rows, self._tokenizer, self._average, self._on_pass = rows, tokenizer, average, on_pass
        self._every, self._patience = every, patience
        self.history, self.best_weights = history, dict[str, torch.Tensor]()

    @property
    def best(self) -> Judgement | None:
        """The first of the best."""
        return max(self.history, key=lambda judgement: judgement.macro_recall, default=None)

    def restore(self, history: Iterable[Judgement], best_weights: Mapping[str, torch.Tensor]) -> None:
        """Go on from what a checkpoint held."""
        self.history[:], self.best_weights = history, dict(best_weights)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step % self._every and state.global_step != state.max_steps:
            return
        latest = Judgement(state.global_step, self._macro_recall(kwargs["model"]))
        self.history.append(latest)
        best = self.best or latest
        if best is latest:
            self.best_weights = {name: weight.clone() for name, weight in self._average.weights.items()}
        elif len(self.history) - 1 - self.history.index(best) >= self._patience:
            control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        put(self.best_weights, kwargs["model"])

    def _macro_recall(self, model: Any) -> float:
        model.eval()
        with self._average.applied_to(model):
            logits = logits_of_tokens(model, self._tokenizer, self._rows.tokens, self._on_pass)
        return evaluate(softmax(logits, temperature=1.0), self._rows.labels).macro_recall
