"""Estimates that were made before are not made again, and none is taken for another."""

from dataclasses import replace

import numpy as np
import pytest

from overheard.aggregates import Summary, summary
from overheard.estimates import Audits, Estimate, Taught, estimate
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


def known(*prior: float) -> Taught:
    return Taught(np.array(prior), np.array(prior))


def once(counted: Summary, audits: Audits | None, nearby: Audits | None, taught: Taught | None) -> Estimate:
    return remembered([counted], [(audits, nearby)], taught)[0]


def test_what_was_estimated_is_remembered() -> None:
    first = once(COUNTED, AUDITS, None, known(0.2, 0.4, 0.4))
    assert first == estimate(COUNTED, AUDITS, taught=known(0.2, 0.4, 0.4))
    other = summary(RANDOM.dirichlet([2.0, 1.0, 1.0], 500))
    new, again, twice = remembered(
        [other, COUNTED, other], [(None, None), (AUDITS, None), (None, None)], known(0.2, 0.4, 0.4)
    )
    assert again is first
    assert new is twice
    assert new.net.point == pytest.approx(estimate(other, taught=known(0.2, 0.4, 0.4)).net.point)


def test_whatever_goes_in_makes_another_estimate() -> None:
    labels = AUDITS.labels.copy()
    labels[0] = (labels[0] + 1) % 3
    found = [
        once(COUNTED, AUDITS, None, None),
        once(COUNTED, None, AUDITS, None),
        once(COUNTED, None, None, None),
        once(COUNTED, replace(AUDITS, labels=labels), None, None),
        once(COUNTED, AUDITS, None, known(0.1, 0.2, 0.7)),
        once(COUNTED, None, None, Taught(np.array([0.1, 0.2, 0.7]), np.array([0.3, 0.3, 0.4]))),
        once(COUNTED, None, None, known(0.1, 0.2, 0.7)),
        once(summary(RANDOM.dirichlet([2.0, 1.0, 1.0], 500)), AUDITS, None, None),
    ]
    assert all(one != other for place, one in enumerate(found) for other in found[:place])
