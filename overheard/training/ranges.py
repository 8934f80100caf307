"""How far the activations of a model reach, measured on texts that it was trained on."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from overheard.scoring.batches import plan
from overheard.training.graph import input_name

_TOKEN_BUDGET = 2048


@torch.no_grad()
def measure_ranges(model: PreTrainedModel, tokens: Sequence[Sequence[int]]) -> dict[str, NDArray[np.float32]]:
    """(2, width) smallest and largest input per channel of each linear layer in the encoder, by input name.

    tokens: token ids of the texts, special tokens included. Padding does not count.
    """
    found: dict[str, torch.Tensor] = {}
    mask = torch.empty(0)

    def watch(name: str) -> torch.utils.hooks.RemovableHandle:
        def look(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            rows = inputs[0][mask]
            seen = torch.stack([rows.amin(dim=0), rows.amax(dim=0)])
            before = found.get(name, seen)
            found[name] = torch.stack([torch.minimum(before[0], seen[0]), torch.maximum(before[1], seen[1])])

        return model.get_submodule(name).register_forward_pre_hook(look)

    linear = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    hooks = [watch(name) for name in linear if ".layer." in name and not name.endswith((".key", ".value"))]
    model.eval()  # type: ignore[no-untyped-call]
    for indices in plan([len(ids) for ids in tokens], _TOKEN_BUDGET):
        texts = [torch.tensor(tokens[index]) for index in indices]
        padded = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
        lengths = torch.tensor([len(ids) for ids in texts])
        mask = torch.arange(padded.shape[1]) < lengths[:, None]
        model(input_ids=padded, attention_mask=mask.long())
    for hook in hooks:
        hook.remove()
    return {input_name(name): extremes.numpy() for name, extremes in found.items()}
