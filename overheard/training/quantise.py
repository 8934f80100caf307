"""Weights as int8 numbers."""

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

PAIR_LIMIT: Final = 128
"""What two neighbours of a column may sum to: times 255, the largest activation, it still is an int16."""

_STRETCHES: Final = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.75, 1.9)


def quantise_rows(table: Array) -> tuple[Array, Array]:
    """(rows, width) to symmetric int8 and (rows, 1) scales; `int8 * scale` is the table again."""
    scale = np.maximum(np.abs(table).max(axis=1, keepdims=True) / 127, 1e-12).astype(np.float32)
    return np.rint(table / scale).astype(np.int8), scale


def quantise_columns(weight: Array) -> tuple[Array, Array]:
    """(in, out) to symmetric int8 and (1, out) scales, such that the sum of two neighbours fits PAIR_LIMIT.

    CPUs without VNNI add two products in 16 bits, so with 127 beside 127 a sum would be cut off, and the kernels that
    avoid this take a tenth to a quarter longer. Of a few scales each column gets the one that comes nearest to its
    weights after the pairs that are too large have been cut.
    """
    padded = np.pad(weight, ((0, len(weight) % 2), (0, 0))).astype(np.float32)
    least = np.maximum(np.abs(padded).max(axis=0) / 127, 1e-12).astype(np.float32)
    best, scales, errors = np.zeros_like(padded), least.copy(), np.full(len(least), np.inf, dtype=np.float32)
    for stretch in _STRETCHES:
        scale = (least * stretch).astype(np.float32)
        whole = _cut(np.rint(padded / scale).reshape(-1, 2, len(scale))).reshape(padded.shape)
        error = np.square(whole * scale - padded).sum(axis=0)
        is_better = error < errors
        best[:, is_better], scales[is_better], errors[is_better] = (
            whole[:, is_better],
            scale[is_better],
            error[is_better],
        )
    return best[: len(weight)].astype(np.int8), scales[None]


def _cut(pairs: Array) -> Array:
    """(n, 2, out) whole numbers, at most 127 each: what the sum of a pair has too much is taken off, half from each.

    Such a pair has one sign, for with two signs the sum is the smaller.
    """
    sums = pairs.sum(axis=1)
    excess = np.sign(sums) * np.maximum(np.abs(sums) - PAIR_LIMIT, 0)
    first = np.ceil(excess / 2)
    cut: Array = pairs - np.stack([first, excess - first], axis=1)
    return cut
