"""Krippendorff's alpha against what is printed of it."""

import pytest

from overheard.agreement import agreement

GAP = None
PRINTED = [
    (1, 2, 3, 3, 2, 1, 4, 1, 2, GAP, GAP, GAP),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, GAP, 3),
    (GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, GAP),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, GAP),
]
"""Krippendorff (2011), section C: four observers, twelve units, five classes; alpha is 0.743."""


def test_the_printed_example_comes_out() -> None:
    units = [[said - 1 for said in unit if said] for unit in zip(*PRINTED, strict=True)]
    found = agreement(units, classes=5)
    assert found.texts == 11
    assert found.alpha == pytest.approx(0.743, abs=0.0005)


def test_two_people_who_always_agree_have_one_and_who_guess_have_none() -> None:
    assert agreement([(0, 0), (1, 1), (2, 2)]).alpha == 1
    guesses = [(one, other) for one in range(3) for other in range(3)] * 200
    assert agreement(guesses).alpha == pytest.approx(0, abs=0.001)
    assert agreement(guesses).same == pytest.approx(1 / 3)


def test_two_peoples_alpha_is_near_cohens_kappa() -> None:
    units = [(0, 0)] * 40 + [(1, 1)] * 30 + [(2, 2)] * 10 + [(0, 1)] * 15 + [(1, 2)] * 5
    by_chance = 0.55 * 0.40 + 0.35 * 0.45 + 0.10 * 0.15
    assert agreement(units).alpha == pytest.approx((0.8 - by_chance) / (1 - by_chance), abs=0.01)


def test_one_class_alone_tells_nothing() -> None:
    found = agreement([(1, 1), (1, 1, 1)])
    assert (found.texts, found.same, found.alpha) == (2, 1, None)


def test_texts_that_one_person_labelled_do_not_count() -> None:
    assert agreement([(1,), ()]).texts == 0
    assert agreement([(0,), (1, 1), (2, 2)]) == agreement([(1, 1), (2, 2)])
