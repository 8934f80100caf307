"""What an hour's scores come to: the sums from which shares, their intervals and drift are computed later."""

import zlib
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

BINS: Final = 20
"""Of the histograms: equal parts of [0, 1]."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """squares (3,): sums of squared probabilities. by_called (3, 3): sums of the probabilities of the posts that were
    called so, from which the expected confusion follows. histogram (3, BINS): posts with such a probability."""

    squares: Floats
    by_called: Floats
    histogram: Floats

    def pack(self) -> bytes:
        """As a row keeps them: float32, compressed."""
        numbers = np.concatenate([self.squares.ravel(), self.by_called.ravel(), self.histogram.ravel()])
        return zlib.compress(numbers.astype("<f4").tobytes(), 1)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        numbers = np.frombuffer(zlib.decompress(packed), "<f4").astype(np.float64)
        squares, by_called, histogram = np.split(numbers, [3, 12])
        return cls(squares, by_called.reshape(3, 3), histogram.reshape(3, BINS))


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
    bins = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    moments = Moments(
        squares=(probabilities**2).sum(axis=0),
        by_called=np.stack([probabilities[called == label].sum(axis=0) for label in range(3)]),
        histogram=np.stack([np.bincount(bins[:, label], minlength=BINS) for label in range(3)]).astype(np.float64),
    )
    counts = tuple(np.bincount(called, minlength=3).tolist())
    return Summary(len(probabilities), counts, tuple(probabilities.sum(axis=0).tolist()), moments)
