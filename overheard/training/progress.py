"""How far a training is, told after each of its steps."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from transformers import TrainerCallback

from overheard.training.validation import Judgement

_RECENT_STEPS: Final = 50


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    step: optimisation steps done, of `steps` (fewer will do when it stops early). epoch: passes over the rows, with
    fraction. loss: mean of the last 50 steps of this process. macro_recall, best_macro_recall: the last and the best
    on the validation rows, None before the first judgement. eta_s: seconds until the last step, at the pace so far.
    """

    step: int
    steps: int
    epoch: float
    loss: float
    macro_recall: float | None
    best_macro_recall: float | None
    eta_s: float


class Reporter(TrainerCallback):
    """Tells `on_step` where the training stands after every step; what that raises ends the training.

    history: judgements so far; Validation appends to it. losses: of the last steps; the Trainer appends to it.
    """

    def __init__(self, on_step: Callable[[Progress], None], history: Sequence[Judgement]) -> None:
        self._on_step, self._history = on_step, history
        self._told: Progress | None = None
        self._began_at, self._began_with = 0.0, 0
        self.losses: deque[float] = deque(maxlen=_RECENT_STEPS)

    def tell_again(self) -> None:
        """While a step takes long: say that it goes on, and let `on_step` end it."""
        if self._told:
            self._on_step(self._told)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._began_at, self._began_with = time.monotonic(), state.global_step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        recalls = [judgement.macro_recall for judgement in self._history]
        per_step_s = (time.monotonic() - self._began_at) / (state.global_step - self._began_with)
        self._told = Progress(
            step=state.global_step,
            steps=state.max_steps,
            epoch=state.epoch,
            loss=sum(self.losses) / len(self.losses),
            macro_recall=recalls[-1] if recalls else None,
            best_macro_recall=max(recalls, default=None),
            eta_s=per_step_s * (state.max_steps - state.global_step),
        )
        self._on_step(self._told)
