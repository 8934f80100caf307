"""Whether people who label the same texts say the same of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from overheard.scoring.bundle import LABELS


@dataclass(frozen=True)
class Agreement:
    """texts: labelled by two or more. same: share of the pairs of labels that agree. alpha: 1 where all agree, 0 where
    they agree as often as chance would; None where that can't be told: no such text, or one class alone."""

    texts: int
    same: float | None
    alpha: float | None


def agreement(labels: Iterable[Sequence[int]], classes: int = len(LABELS)) -> Agreement:
    """Krippendorff's alpha for names of classes. labels: of each text, one per person, 0 to classes - 1.

    Source: Krippendorff, Computing Krippendorff's alpha-reliability (2011). With two people and no text left out it is
    Cohen's kappa, but for a correction for few texts, and for the chance of both together.
    """
    pairs, texts = np.zeros((classes, classes)), 0
    for said in labels:
        if len(said) < 2:
            continue
        counts = np.bincount(said, minlength=classes)
        pairs += (np.outer(counts, counts) - np.diag(counts)) / (len(said) - 1)
        texts += 1
    total, sums = pairs.sum(), pairs.sum(axis=0)
    if not total:
        return Agreement(0, None, None)
    differing, by_chance = total - np.trace(pairs), total**2 - (sums**2).sum()
    alpha = float(1 - (total - 1) * differing / by_chance) if by_chance else None
    return Agreement(texts, float(np.trace(pairs) / total), alpha)
