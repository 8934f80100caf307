"""What every scoring back end offers: texts to token ids, token ids to calibrated probabilities."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from overheard.scoring.batches import plan

Floats: TypeAlias = NDArray[np.float32]
Tokens: TypeAlias = Sequence[int]

TOKEN_BUDGET: Final = 1024
"""Padded tokens per forward pass: larger ones no longer fit a core's cache, so they are slower and answer later."""


class Engine(Protocol):
    """A loaded model. `encode` may run on any number of threads at once, `forward` on one thread at a time."""

    @property
    def version(self) -> str:
        """The version of the bundle that answers."""

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """Token ids per text, cut at the model's length. Cleans the texts; any str is accepted."""

    def forward(self, batch: Sequence[Tokens]) -> Floats:
        """(n, 3) calibrated probabilities of negative, neutral, positive, in the order of `batch`.

        The texts, one at least, go through the model together, padded to the longest: plan them with `batches.plan`.
        """

    @property
    def token_budget(self) -> int:
        """Padded tokens that a pass should hold at most; a back end that ran out of memory lowers it."""
        return TOKEN_BUDGET

    @property
    def depth(self) -> int:
        """Passes that may be under way at once: more than one where `start` comes back before its pass has ended."""
        return 1

    def start(self, batch: Sequence[Tokens]) -> Callable[[], Floats]:
        """Begin what `forward` does; call what comes back for the probabilities. Both on the thread of `forward`."""
        probabilities = self.forward(batch)
        return lambda: probabilities

    def score(self, texts: Sequence[str]) -> Floats:
        """(n, 3) calibrated probabilities in the order of `texts`: encode, plan, forward."""
        encoded = self.encode(texts)
        probabilities = np.empty((len(texts), 3), dtype=np.float32)
        for indices in plan([len(tokens) for tokens in encoded], self.token_budget):
            probabilities[indices] = self.forward([encoded[index] for index in indices])
        return probabilities


def softmax(logits: NDArray[np.floating], temperature: float) -> Floats:
    """(n, 3) logits to probabilities; each row sums to 1 within 1e-6."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    probabilities: Floats = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities
