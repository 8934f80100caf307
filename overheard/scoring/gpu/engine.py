"""Scoring with torch: bf16 on a CUDA device, texts packed without padding, the next pass prepared during this one."""

import json
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from overheard.errors import BundleError, OverheardError
from overheard.scoring.batches import Indices, plan
from overheard.scoring.bundle import LABELS, TOKENIZER, load_manifest
from overheard.scoring.engine import Engine, Floats, Tokens, softmax
from overheard.scoring.gpu import models
from overheard.scoring.gpu.cuda import Copies, Recording
from overheard.scoring.gpu.packing import Shape, pack, recorded_shape
from overheard.scoring.gpu.weights import CONFIG, float_weights
from overheard.scoring.text import clean

CUDA_TOKEN_BUDGET: Final = 32_768
CPU_TOKEN_BUDGET: Final = 2048
PIECE: Final = 4096
"""Texts that `score` tokenises at a time, while the device computes those before them."""

log = logging.getLogger(__name__)


class TorchEngine(Engine):
    """A bundle's float weights on a device. Raises BundleError when it is damaged or can't be loaded.

    cache: the folder for weights that are rebuilt of an int8 graph. On CPU tensors the same code runs, for tests.
    A pass that does not fit the memory is cut in parts, down to one text, and later passes are kept as small.
    """

    depth = 2

    def __init__(self, directory: Path, cache: Path, device: str = "cuda", dtype: torch.dtype = torch.bfloat16) -> None:
        self.manifest = load_manifest(directory)
        self.device = torch.device(device)
        self._columns = [self.manifest.labels.index(label) for label in LABELS]
        self._limit = self.manifest.max_tokens
        weights = float_weights(directory, self.manifest, cache)
        try:
            self._tokenizer = Tokenizer.from_file(str(directory / TOKENIZER))
            config = json.loads((weights / CONFIG).read_text())
            self.model = models.load(weights, config, self.device, dtype)
        except OverheardError:
            raise
        except Exception as error:  # all the libraries raise their own kinds, some of them bare Exception
            raise BundleError(directory, f"can't be loaded: {str(error).splitlines()[0]}") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._limit)
        self._tokenising = ThreadPoolExecutor(1, thread_name_prefix="tokenise")
        self._is_cuda = self.device.type == "cuda"
        self._token_budget = CUDA_TOKEN_BUDGET if self._is_cuda else CPU_TOKEN_BUDGET
        self._copies = Copies(self.device) if self._is_cuda else None
        self._recording: Recording | None = None
        if self._is_cuda and self.model.can_be_recorded:
            with torch.inference_mode():
                self._recording = Recording(self.model, self._limit, self.device)

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def token_budget(self) -> int:
        return self._token_budget

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        encodings = self._tokenizer.encode_batch_fast([clean(text) for text in texts])
        return [encoding.ids for encoding in encodings]

    def forward(self, batch: Sequence[Tokens]) -> Floats:
        return self.start(batch)()

    def start(self, batch: Sequence[Tokens]) -> Callable[[], Floats]:
        lengths = [len(tokens) for tokens in batch]
        if len(batch) > 1 and max(lengths) * len(batch) > self._token_budget:  # planned when there was more memory
            parts = plan(lengths, self._token_budget)
            begun = [(rows, self.start([batch[row] for row in rows])) for rows in parts]
            return lambda: _together(begun)
        try:
            return self._begin(batch)
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
        self._make_room(sum(lengths))  # not above, where the error still holds what the pass had allocated
        return self.start(batch)

    def score(self, texts: Sequence[str]) -> Floats:
        """The same as every engine's, one piece being tokenised while the passes of another are computed."""
        probabilities = np.empty((len(texts), 3), dtype=np.float32)
        starts = range(0, len(texts), PIECE)
        under_way: deque[tuple[Indices, Callable[[], Floats]]] = deque()
        for start, encoded in zip(starts, self._encoded([texts[at : at + PIECE] for at in starts]), strict=True):
            for indices in plan([len(tokens) for tokens in encoded], self._token_budget):
                under_way.append((indices + start, self.start([encoded[index] for index in indices])))
                if len(under_way) == self.depth:
                    rows, result = under_way.popleft()
                    probabilities[rows] = result()
        for rows, result in under_way:
            probabilities[rows] = result()
        return probabilities

    @torch.inference_mode()
    def _begin(self, batch: Sequence[Tokens]) -> Callable[[], Floats]:
        tokens, texts = sum(map(len, batch)), len(batch)
        shape = recorded_shape(tokens, texts, self._limit) if self._recording else None
        words = pack(batch, shape or Shape(tokens, texts), self.model.first_position, self._limit)
        sent = self._copies.send(words) if self._copies else torch.from_numpy(words)
        if self._recording and shape:
            logits = self._recording.run(sent, shape)[:texts]
        else:
            logits = self.compute(models.Packed.split(sent, Shape(tokens, texts), max(map(len, batch))))
        arrived = self._copies.fetch(logits) if self._copies else lambda: logits
        return lambda: softmax(arrived().numpy()[:, self._columns], self.manifest.temperature)

    def compute(self, texts: models.Packed) -> Tensor:
        """(texts, 3) logits. Raises torch.OutOfMemoryError, as all that allocates does."""
        return self.model(texts)

    def _encoded(self, pieces: Sequence[Sequence[str]]) -> Iterator[list[Tokens]]:
        """Each piece's tokens, the next being made while one is used."""
        ahead: deque[Future[list[Tokens]]] = deque()
        for piece in pieces:
            ahead.append(self._tokenising.submit(self.encode, piece))
            if len(ahead) > 1:
                yield ahead.popleft().result()
        for last in ahead:
            yield last.result()

    def _make_room(self, tokens: int) -> None:
        self._token_budget = tokens // 2
        log.warning("no memory for %d tokens at once: passes hold %d from now on", tokens, self._token_budget)
        torch.cuda.empty_cache()  # does nothing where there is no CUDA


def _together(begun: Sequence[tuple[Indices, Callable[[], Floats]]]) -> Floats:
    """The parts of a pass, in the order of its texts."""
    probabilities = np.empty((sum(len(rows) for rows, _ in begun), 3), dtype=np.float32)
    for rows, result in begun:
        probabilities[rows] = result()
    return probabilities
