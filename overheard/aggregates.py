"""What an hour's scores come to: the counts from which shares, their intervals and expected errors are computed later.

Posts are counted in cells of the triangle of all (negative, neutral, positive), so that whatever is a sum over posts of
a function of their probabilities is had from the counts, to the width of a cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

HOUR: Final = timedelta(hours=1)

_REACH: Final = 5
_STEP: Final = 0.8
"""Cells are squares of this side in the log odds against neutral, so many to either side of even odds: fine where a
probability is near 0, coarse in the middle, and none holds posts called neutral together with others. The outermost
take what lies beyond. Against the posts themselves that moved mean probabilities by 0.2 points and corrected shares by
0.4 at most, on four streams of 2,000 to 9,000 posts."""

_SIDE: Final = 2 * _REACH
CELLS: Final = _SIDE**2


def _middles() -> Floats:
    negative, positive = np.exp(_STEP * (np.array(np.divmod(np.arange(CELLS), _SIDE)) + 0.5 - _REACH))
    odds = np.stack([negative, np.ones(CELLS), positive], axis=1)
    middles: Floats = odds / odds.sum(axis=1, keepdims=True)
    return middles


MIDDLES: Final = _middles()
"""(CELLS, 3): the probabilities that stand for those of a cell's posts."""


def cells(probabilities: Floats) -> NDArray[np.int64]:
    """(n,) the cell of each post. probabilities: (n, 3)."""
    log = np.log(np.maximum(probabilities, 1e-12))
    steps = np.floor((log[:, [0, 2]] - log[:, [1]]) / _STEP).clip(-_REACH, _REACH - 1).astype(np.int64) + _REACH
    found: NDArray[np.int64] = steps @ np.array([_SIDE, 1])
    return found


@dataclass(frozen=True)
class Moments:
    """by_called (3, 3): sums of the probabilities of the posts that were called so, from which the expected confusion
    follows. cells (CELLS,): how many posts there are in each. Stacked ones have an axis more in front."""

    by_called: Floats
    cells: Floats

    def pack(self) -> bytes:
        """As a row keeps them: float32, all of one size."""
        return np.concatenate([self.by_called.ravel(), self.cells]).astype("<f4").tobytes()

    @classmethod
    def unpack(cls, packed: Sequence[bytes]) -> Self:
        """Of many rows, stacked. A row that is not of this format counts nothing: compare `posts`."""
        rows = [row if len(row) == _BYTES else _NOTHING for row in packed]
        numbers = np.frombuffer(b"".join(rows), "<f4").reshape(len(rows), -1 if rows else _NUMBERS).astype(np.float64)
        return cls(numbers[:, :9].reshape(-1, 3, 3), numbers[:, 9:])

    @property
    def posts(self) -> float:
        """How many are counted here."""
        return float(self.cells.sum())

    def sum(self) -> Self:
        """Of stacked ones."""
        return type(self)(self.by_called.sum(axis=0), self.cells.sum(axis=0))


_NUMBERS: Final = 9 + CELLS
_BYTES: Final = 4 * _NUMBERS
_NOTHING: Final = bytes(_BYTES)


@dataclass(frozen=True)
class Summary:
    """Of n posts: called (3,) by the most probable class; sums (3,) of probabilities."""

    posts: int
    called: tuple[int, ...]
    sums: tuple[float, ...]
    moments: Moments


def summary(probabilities: Floats) -> Summary:
    """probabilities: (n, 3), of negative, neutral, positive."""
    called = probabilities.argmax(axis=1) if len(probabilities) else np.zeros(0, np.int64)
    moments = Moments(
        by_called=np.stack([probabilities[called == label].sum(axis=0) for label in range(3)]),
        cells=np.bincount(cells(probabilities), minlength=CELLS).astype(np.float64),
    )
    counts = tuple(np.bincount(called, minlength=3).tolist())
    return Summary(len(probabilities), counts, tuple(probabilities.sum(axis=0).tolist()), moments)
