"""Texts one behind the other in one array of integers: all that a pass needs on the device, in one copy."""

from collections.abc import Sequence
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from overheard.scoring.engine import Tokens

_RECORDED_TOKENS: Final = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
_TOKENS_PER_TEXT: Final = (
    8  # more room for texts would be empty room, which the attention kernel looks into all the same
)


class Shape(NamedTuple):
    """How many tokens a pass has, and how many texts, empty ones included."""

    tokens: int
    texts: int

    @property
    def size(self) -> int:
        """Integers that it takes: ids and positions of the tokens, and where texts begin and end."""
        return 2 * self.tokens + self.texts + 1


RECORDED: Final = tuple(Shape(tokens, tokens // _TOKENS_PER_TEXT) for tokens in _RECORDED_TOKENS)
"""Passes so small that starting their kernels one by one takes longer than computing them."""


def recorded_shape(tokens: int, texts: int, limit: int) -> Shape | None:
    """The smallest of RECORDED that holds so much and what fills the rest; None when none does."""
    for shape in RECORDED:
        if tokens <= shape.tokens and texts + -(-(shape.tokens - tokens) // limit) <= shape.texts:
            return shape
    return None


def pack(batch: Sequence[Tokens], shape: Shape, first_position: int, limit: int) -> NDArray[np.int32]:
    """(shape.size,): ids (tokens), positions from `first_position` on (tokens), bounds (texts + 1) from 0 to tokens.

    What `batch` leaves of the tokens is filled with texts of zeros, each at most `limit` long, and texts with empty
    ones: the attention kernels want every token to belong to a text.
    """
    words = np.zeros(shape.size, dtype=np.int32)
    ids, positions, bounds = np.split(words, [shape.tokens, 2 * shape.tokens])
    lengths = np.zeros(shape.texts, dtype=np.int32)
    lengths[: len(batch)] = [len(tokens) for tokens in batch]
    used = int(lengths.sum())
    full, rest = divmod(shape.tokens - used, limit)
    lengths[len(batch) : len(batch) + full] = limit
    if rest:
        lengths[len(batch) + full] = rest
    ids[:used] = np.fromiter(chain.from_iterable(batch), dtype=np.int32, count=used)
    np.cumsum(lengths, out=bounds[1:])
    positions[:] = np.arange(first_position, first_position + shape.tokens) - np.repeat(bounds[:-1], lengths)
    return words
