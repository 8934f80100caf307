"""Which rows learn together, and as what tensors."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

_JITTER_TOKENS: Final = 6
"""Lengths are blurred by this much before they are sorted, so that a row's company changes each epoch."""


class SimilarLengths(torch.utils.data.Sampler[int]):
    """Row indices: each `batch_size` neighbours have similar lengths, batches come at random, odd rows come last."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths, self._batch_size = np.array(lengths), batch_size
        self._rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        shuffled = self._rng.permutation(len(self))
        odd, even = np.split(shuffled, [len(self) % self._batch_size])
        lengths = self._lengths[even] + self._rng.random(len(even)) * _JITTER_TOKENS
        batches = even[np.argsort(lengths)].reshape(-1, self._batch_size)
        yield from self._rng.permutation(batches).ravel().tolist()
        yield from odd.tolist()


class Collator:
    """Rows of tokens to tensors padded to their longest, with a share of the words masked."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, word_dropout: float) -> None:
        self._tokenizer, self._word_dropout = tokenizer, word_dropout

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        batch = self._tokenizer.pad({"input_ids": [example["input_ids"] for example in examples]}, return_tensors="pt")
        ids, mask = batch["input_ids"], batch["attention_mask"]
        if self._word_dropout:
            special = torch.isin(ids, torch.tensor(self._tokenizer.all_special_ids))
            ids[(torch.rand(ids.shape) < self._word_dropout) & ~special] = self._tokenizer.mask_token_id
        return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([e["labels"] for e in examples])}
