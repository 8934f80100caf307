"""The graph of any classifier, as torch traces it: for families that `graph` does not describe."""

import tempfile
import warnings
from pathlib import Path
from typing import Any, Final

import onnx
import torch
from transformers import PreTrainedModel

_OPSET: Final = 17
_SAMPLE: Final = torch.tensor([[5, 6, 7, 8], [6, 5, 0, 0]], dtype=torch.int32), torch.tensor([4, 2], dtype=torch.int32)


class _Wrapped(torch.nn.Module):
    """`input_ids` and `lengths`, as the engine has them, to logits. What lies beyond a length decides nothing."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model, self.padding = model, model.config.pad_token_id or 0

    def forward(self, input_ids: torch.Tensor, lengths: torch.Tensor) -> Any:
        mask = torch.arange(input_ids.shape[1])[None] < lengths[:, None]
        ids = torch.where(mask, input_ids, self.padding).long()
        return self.model(input_ids=ids, attention_mask=mask.long()).logits


@torch.no_grad()
def trace(model: PreTrainedModel) -> onnx.ModelProto:
    """`input_ids` (n, length) int32 and `lengths` (n,) int32 to `logits` (n, labels) float32, all in float32.

    model: loaded with `attn_implementation="eager"`, in evaluation mode. Raises whatever torch raises at what it can't
    trace.
    """
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        path = Path(scratch) / "traced.onnx"
        warnings.simplefilter("ignore")  # of values that are traced as constants: the check against torch finds out
        torch.onnx.export(
            _Wrapped(model).eval(),  # else the export would leave `model` in training mode
            _SAMPLE,
            path,
            input_names=["input_ids", "lengths"],
            output_names=["logits"],
            dynamic_axes={"input_ids": {0: "n", 1: "length"}, "lengths": {0: "n"}, "logits": {0: "n"}},
            opset_version=_OPSET,
            dynamo=False,
        )
        return onnx.load(path)
