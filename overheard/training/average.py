"""A running average of the weights, which generalises better than where the last step happened to stop."""

from typing import Any

import torch
from transformers import TrainerCallback


class WeightAverage(TrainerCallback):
    """Keeps an exponential moving average of all weights and leaves it in the model when training ends.

    decay: of each step; it grows towards this value over the first steps, so that short trainings forget
    their start. 0 leaves the last weights.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._average: list[torch.Tensor] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._average = [parameter.detach().clone() for parameter in kwargs["model"].parameters()]

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        step = state.global_step
        decay = min(self._decay, (1 + step) / (10 + step)) if self._decay else 0.0
        with torch.no_grad():
            for kept, parameter in zip(self._average, kwargs["model"].parameters(), strict=True):
                kept.lerp_(parameter, 1 - decay)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        with torch.no_grad():
            for kept, parameter in zip(self._average, kwargs["model"].parameters(), strict=True):
                parameter.copy_(kept)


class Kept:
    """The weights that a model starts from, to be mixed back into those that it ends with.

    share: of the old weights; 0 keeps none. What a fine-tuning forgets comes back sooner than what it learned goes.
    Method: Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022.
    """

    def __init__(self, model: torch.nn.Module, share: float) -> None:
        self._share = share
        self._weights = [parameter.detach().clone() for parameter in model.parameters()] if share else []

    def mix_into(self, model: torch.nn.Module) -> None:
        """Move the model's weights the share of the way back."""
        if not self._share:
            return
        with torch.no_grad():
            for kept, parameter in zip(self._weights, model.parameters(), strict=True):
                parameter.lerp_(kept, self._share)
