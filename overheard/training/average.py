"""A running average of the weights, which generalises better than where the last step happened to stop."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel, TrainerCallback


class WeightAverage(TrainerCallback):
    """Keeps an exponential moving average of all weights that are trained; leaves it in the model when training ends.

    decay: of each step; it grows towards this value over the first steps, so that short trainings forget
    their start. 0 leaves the last weights.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self.weights: dict[str, torch.Tensor] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.weights = {name: weight.detach().clone() for name, weight in trained(kwargs["model"])}

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        step = state.global_step
        decay = min(self._decay, (1 + step) / (10 + step)) if self._decay else 0.0
        with torch.no_grad():
            for name, weight in trained(kwargs["model"]):
                self.weights[name].lerp_(weight, 1 - decay)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        put(self.weights, kwargs["model"])

    @contextmanager
    def applied_to(self, model: PreTrainedModel) -> Iterator[None]:
        """In this context the model has the averaged weights, afterwards its own again."""
        own = {name: weight.detach().clone() for name, weight in trained(model)}
        put(self.weights, model)
        try:
            yield
        finally:
            put(own, model)


class Kept:
    """The weights that a model starts from, to be mixed back into those that it ends with.

    share: of the old weights; 0 keeps none. What a fine-tuning forgets comes back sooner than what it learned goes.
    Method: Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022.
    """

    def __init__(self, model: PreTrainedModel, share: float) -> None:
        self._share = share
        self._weights = {name: weight.detach().clone() for name, weight in trained(model)} if share else {}

    def mix_into(self, model: PreTrainedModel) -> None:
        """Move the model's weights the share of the way back."""
        if not self._share:
            return
        with torch.no_grad():
            for name, weight in trained(model):
                weight.lerp_(self._weights[name].to(weight.device), self._share)


def trained(model: PreTrainedModel) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """The weights that training moves, with their names."""
    return ((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)


@torch.no_grad()
def put(weights: Mapping[str, torch.Tensor], model: PreTrainedModel) -> None:
    """Copy weights into a model, by their names."""
    for name, weight in trained(model):
        weight.copy_(weights[name])
