"""How often a model is right: what it promises against what is so."""

import numpy as np
import pytest

from overheard.aggregates import summary
from overheard.intervals import NONE
from overheard.performance import Calibration, expected, measured
from tests.unit.test_estimates import DRAWS, MIXED, RARE, TAUGHT, Population, called


def right(population: Population) -> float:
    return float((called(population) == population.labels).mean())


def recall(population: Population) -> float:
    is_right = called(population) == population.labels
    return float(np.mean([is_right[population.labels == label].mean() for label in range(3)]))


def test_a_calibrated_model_promises_what_it_keeps() -> None:
    population = Population.of(5000, TAUGHT)
    found = expected(summary(population.probabilities))
    assert found.accuracy.point == pytest.approx(right(population), abs=0.015)
    assert found.macro_recall.point == pytest.approx(recall(population), abs=0.015)


def test_a_model_that_promised_too_much_on_held_out_rows_is_believed_less() -> None:
    boasts, held_out = (Population.of(4000, TAUGHT, seed=seed) for seed in (1, 2))
    sure = [one.probabilities**2 / (one.probabilities**2).sum(axis=1, keepdims=True) for one in (boasts, held_out)]
    calibration = Calibration.measured(sure[1], held_out.labels)
    misses = [
        abs((expected(summary(sure[0]), known).accuracy.point or 0) - right(boasts))
        for known in (None, Calibration.of(calibration.as_dict()))
    ]
    assert misses[1] < 0.02 < misses[0]


def test_intervals_from_audits_hold_the_truth() -> None:
    population, rng, hits = Population.of(3000, MIXED, bias=(1, 0, 0)), np.random.default_rng(3), np.zeros(2)
    for _ in range(DRAWS):
        found = measured(population.draw(rng, 33, called(population))[0])
        truth = (found.accuracy, right(population)), (found.macro_recall, recall(population))
        hits += [share.low <= true <= share.high for share, true in truth]  # type: ignore[operator]
    assert hits.min() / DRAWS >= 0.93


def test_a_model_that_was_right_on_every_audit_is_not_known_to_be_always_right() -> None:
    population = Population.of(3000, MIXED)
    always = Population(population.probabilities, called(population))
    found = measured(always.draw(np.random.default_rng(4), 15, called(population))[0])
    for share in (found.accuracy, found.macro_recall):
        assert share.point == 1
        assert 0.8 < (share.low or 0) < 0.95


def test_few_posts_promise_nothing() -> None:
    population = Population.of(40, RARE)
    assert expected(summary(population.probabilities)).accuracy == NONE
    assert measured(population.draw(np.random.default_rng(0), 20)[0]).as_dict()["accuracy"]["point"] is None
