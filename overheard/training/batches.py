"""Which rows learn together, and as what tensors."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from overheard.scoring.engine import Floats
from overheard.training.data import Rows
from overheard.training.predict import encode

_JITTER_TOKENS: Final = 6
"""Lengths are blurred by this much before they are sorted, so that a row's company changes each epoch."""


@dataclass(frozen=True)
class Learned:
    """What is learned: token ids of N texts, and the (N, 3) class probabilities to give them."""

    tokens: list[list[int]]
    targets: Floats

    def examples(self) -> list[dict[str, Any]]:
        """As the Trainer wants them."""
        pairs = zip(self.tokens, self.targets.tolist(), strict=True)
        return [{"input_ids": tokens, "labels": target} for tokens, target in pairs]


@dataclass(frozen=True)
class Encoded:
    """Rows to judge on, as a model reads them."""

    tokens: list[list[int]]
    labels: tuple[int, ...]

    @classmethod
    def of(cls, rows: Rows, tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> Self:
        return cls(encode(tokenizer, rows.texts, max_tokens), rows.labels)


class SimilarLengths(torch.utils.data.Sampler[int]):
    """Row indices: each `batch_size` neighbours have similar lengths, batches come at random, odd rows come last.

    Their order depends on the seed and the epoch alone, so a training that is resumed sees the same batches.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths, self._batch_size, self._seed = np.array(lengths), batch_size, seed
        self._epoch = 0

    def __len__(self) -> int:
        return len(self._lengths)

    def set_epoch(self, epoch: int) -> None:
        """What the Trainer calls before each epoch."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng((self._seed, self._epoch))
        shuffled = rng.permutation(len(self))
        odd, even = np.split(shuffled, [len(self) % self._batch_size])
        lengths = self._lengths[even] + rng.random(len(even)) * _JITTER_TOKENS
        batches = even[np.argsort(lengths)].reshape(-1, self._batch_size)
        yield from rng.permutation(batches).ravel().tolist()
        yield from odd.tolist()


class Collator:
    """Rows of tokens to tensors padded to their longest."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        batch = self._tokenizer.pad({"input_ids": [example["input_ids"] for example in examples]}, return_tensors="pt")
        labels = torch.tensor([example["labels"] for example in examples])
        return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"], "labels": labels}


class WordDropout:
    """Masks a share of a batch's words. A tokenizer without a mask has them unknown instead.

    Called at each step and not where batches are made: those are made ahead, so what is random in there would come out
    otherwise in a training that was stopped and resumed.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, share: float) -> None:
        mask = tokenizer.mask_token_id if tokenizer.mask_token_id is not None else tokenizer.unk_token_id
        self._share, self._mask = share if mask is not None else 0.0, mask
        self._special = torch.tensor(tokenizer.all_special_ids)

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        if not self._share:
            return ids
        special = torch.isin(ids, self._special.to(ids.device))
        chosen = (torch.rand(ids.shape, device=ids.device) < self._share) & ~special
        return ids.masked_fill(chosen, self._mask)
