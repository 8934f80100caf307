"""Estimates that were made before are not made again, and none is taken for another."""

from dataclasses import replace

import numpy as np

from overheard.aggregates import summary
from overheard.estimates import Audits, estimate
from overheard.remembered import remembered

RANDOM = np.random.default_rng(5)
COUNTED = summary(RANDOM.dirichlet([1.0, 1.0, 1.0], 500))
AUDITS = Audits(
    probabilities=RANDOM.dirichlet([1.0, 1.0, 1.0], 40),
    labels=RANDOM.integers(0, 3, 40),
    strata=np.zeros(40, np.int64),
    sizes=np.array([500]),
    answered=np.array([40]),
)


def test_what_was_estimated_is_remembered() -> None:
    first = remembered(COUNTED, AUDITS, None, (0.2, 0.4, 0.4))
    assert first == estimate(COUNTED, AUDITS, prior=(0.2, 0.4, 0.4))
    assert remembered(COUNTED, AUDITS, None, (0.2, 0.4, 0.4)) is first


def test_whatever_goes_in_makes_another_estimate() -> None:
    labels = AUDITS.labels.copy()
    labels[0] = (labels[0] + 1) % 3
    found = [
        remembered(COUNTED, AUDITS, None, None),
        remembered(COUNTED, None, AUDITS, None),
        remembered(COUNTED, None, None, None),
        remembered(COUNTED, replace(AUDITS, labels=labels), None, None),
        remembered(COUNTED, AUDITS, None, (0.1, 0.2, 0.7)),
        remembered(summary(RANDOM.dirichlet([2.0, 1.0, 1.0], 500)), AUDITS, None, None),
    ]
    assert all(one != other for place, one in enumerate(found) for other in found[:place])
