"""Which posts people should label next: where the model is unsure, where many have read them, each kind once."""

from collections.abc import Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from overheard.aggregates import Floats

AUDITED: Final = 1 / 3
"""Share of what is handed out that was drawn for an audit, while such is left."""
TWICE: Final = 1 / 10
"""Share that somebody else has labelled: only so is it known whether people agree."""
Ints = NDArray[np.int64]
T = TypeVar("T")


def order(probabilities: Floats, reach: Ints) -> list[int]:
    """Places of posts, the ones whose label is worth the most first.

    probabilities: (n, 3); reach: (n,) how often each was reposted. Worth is uncertainty (1 - the sum of p squared)
    times the logarithm of reach: a post that a thousand passed on counts four times as much as one that nobody did.
    """
    uncertainty = 1 - (probabilities**2).sum(axis=1)
    worth = uncertainty * (1 + np.log10(1.0 + reach))
    return [int(place) for place in np.argsort(-worth, kind="stable")]


def mix(
    fresh: Sequence[T], twice: Sequence[T], audits: Sequence[T], count: int, random: np.random.Generator
) -> list[T]:
    """`count` of them, or all there are, in random order: nobody can tell from the place what is an audit.

    fresh, twice, audits: the most wanted first; where there are too few of one kind the others take their places.
    """
    shares = (audits[: round(count * AUDITED)], twice[: round(count * TWICE)], fresh)
    chosen = [item for share in shares for item in share][:count]
    chosen += [item for item in (*audits, *twice) if item not in chosen][: count - len(chosen)]
    return [chosen[place] for place in random.permutation(len(chosen))]
