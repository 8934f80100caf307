"""What only a CUDA device does: copies beside the computing, and small passes recorded as graphs.

Everything else in this folder runs on CPU tensors, too; no line of this file does.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from overheard.scoring.gpu.models import Model, Packed
from overheard.scoring.gpu.packing import RECORDED, Shape, pack


class Copies:
    """To and from the device, without waiting."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._stream = device, torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def send(self, words: NDArray[np.int32]) -> Tensor:
        """On a stream of its own: the copy does not wait for the pass that is being computed."""
        with torch.cuda.stream(self._stream):
            sent = torch.from_numpy(words).pin_memory().to(self._device, non_blocking=True)
        computing = torch.cuda.current_stream(self._device)
        computing.wait_stream(self._stream)
        sent.record_stream(computing)
        return sent

    def fetch(self, logits: Tensor) -> Callable[[], Tensor]:
        """Call what comes back to wait for them."""
        here = logits.to("cpu", non_blocking=True)  # torch pins what it copies to in this way
        done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        done.record()

        def arrived() -> Tensor:
            done.synchronize()
            return here

        return arrived


class Recording:
    """All passes of the shapes in RECORDED, recorded once: each is then one call instead of hundreds.

    They share their memory: passes follow each other on one stream, and of each only the logits outlive it.
    """

    def __init__(self, model: Model, limit: int, device: torch.device) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        self._passes = {shape: self._record(model, shape, limit, device) for shape in reversed(RECORDED)}

    def _record(
        self, model: Model, shape: Shape, limit: int, device: torch.device
    ) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
        words = torch.from_numpy(pack([], shape, model.first_position, limit)).to(device)
        texts = Packed.split(words, shape, limit)
        aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(aside):
            model(texts)  # libraries set themselves up at the first call, which can't be recorded
        torch.cuda.current_stream(device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            logits = model(texts)
        return graph, words, logits

    def run(self, words: Tensor, shape: Shape) -> Tensor:
        """(shape.texts, 3) logits, which the next run of this shape overwrites."""
        graph, recorded, logits = self._passes[shape]
        recorded.copy_(words)
        graph.replay()
        return logits
