"""Which texts go through the model together: pure planning, no model needed."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Indices: TypeAlias = NDArray[np.intp]


def plan(lengths: Sequence[int], token_budget: int) -> list[Indices]:
    """Batches of indices into `lengths`, shortest texts first, so that little is padded.

    lengths: tokens per text. A batch costs its longest text times its rows, and stays within `token_budget` tokens;
    a text that is longer than the whole budget gets a batch of its own. Every index appears exactly once.
    """
    order = np.argsort(np.asarray(lengths, dtype=np.intp), kind="stable")
    batches: list[Indices] = []
    start = 0
    for position, index in enumerate(order):
        if position > start and (position - start + 1) * lengths[index] > token_budget:
            batches.append(order[start:position])
            start = position
    if start < len(order):
        batches.append(order[start:])
    return batches
