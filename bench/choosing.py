"""Which texts people should label next, so that their labels teach the most."""

from collections.abc import Sequence

import numpy as np

from overheard.copies import distinct
from overheard.scoring.engine import Floats


def choose(
    probabilities: Floats, texts: Sequence[str], count: int, seed: int, labelled: Sequence[str] = ()
) -> list[int]:
    """Indices of the texts to label next: `count`, or fewer when no more are worth it.

    probabilities: (N, 3) what the model in service says of the texts. labelled: texts that have a label already.
    Takes the classes in turn as the model calls them and any text within a class, so that a rare class is seen often
    enough to be learned; leaves out near copies of what is labelled or taken. Equal arguments give equal choices.
    Within a class texts stay as they come, unlike in uncertainty sampling (Lewis & Gale, A sequential algorithm for
    training text classifiers, SIGIR 1994), which picks the odd ones.
    """
    shuffled = np.random.default_rng(seed).permutation(len(texts))
    called = np.asarray(probabilities).argmax(axis=1)[shuffled]
    turns = np.empty(len(texts), dtype=np.intp)
    for label in range(probabilities.shape[1]):
        turns[called == label] = np.arange(np.count_nonzero(called == label))
    ordered = shuffled[np.argsort(turns, kind="stable")].tolist()
    fresh = [place - len(labelled) for place in distinct([*labelled, *(texts[index] for index in ordered)])]
    return [ordered[place] for place in fresh if place >= 0][:count]
