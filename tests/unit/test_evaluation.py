"""The figures that models are judged by, against figures worked out by hand."""

import json

import numpy as np
import pytest

from overheard.evaluation import Bin, evaluate, reliability

# True classes 0 0 0 0 1 1 2 2; predicted 0 0 1 2 1 1 2 0.
PREDICTED = [0, 0, 1, 2, 1, 1, 2, 0]
LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2])


def sure(predicted: list[int], confidence: float = 1.0) -> np.ndarray:
    rest = (1 - confidence) / 2
    return np.array([[confidence if column == winner else rest for column in range(3)] for winner in predicted])


def test_the_figures_are_those_of_a_hand_calculation() -> None:
    result = evaluate(sure(PREDICTED), LABELS)
    assert result.n == 8
    assert result.confusion == ((2, 1, 1), (0, 2, 0), (1, 0, 1))
    assert result.accuracy == pytest.approx(5 / 8)
    assert result.macro_recall == pytest.approx((2 / 4 + 2 / 2 + 1 / 2) / 3)
    # F1: 2*2/(4+3), 2*2/(2+3), 2*1/(2+2)
    assert result.macro_f1 == pytest.approx((4 / 7 + 4 / 5 + 2 / 4) / 3)
    assert result.ece == pytest.approx(3 / 8)


def test_a_class_without_rows_counts_for_nothing() -> None:
    result = evaluate(sure([0, 0, 1, 2]), np.array([0, 0, 1, 1]))
    assert result.macro_recall == pytest.approx((1 + 1 / 2) / 2)
    assert result.macro_f1 == pytest.approx((1 + 2 / 3) / 2)


def test_a_model_as_sure_as_it_is_right_has_no_calibration_error() -> None:
    result = evaluate(sure([0, 0, 0, 0], 0.75), np.array([0, 0, 0, 1]))
    assert result.ece == pytest.approx(0, abs=1e-12)


def test_calibration_errors_of_different_confidence_do_not_cancel() -> None:
    # Half the rows at 0.9, all wrong; half at 0.5, all right: gaps of 0.9 and 0.5, weighed equally.
    probabilities = np.concatenate([sure([0, 0], 0.9), sure([0, 0], 0.5)])
    assert evaluate(probabilities, np.array([1, 2, 0, 0])).ece == pytest.approx(0.7)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below() -> None:
    # 0.6 closes the ninth of 15 bins; 0.61 opens the tenth: errors of +0.6 and -0.39, apart.
    probabilities = np.concatenate([sure([0], 0.6), sure([0], 0.61)])
    assert evaluate(probabilities, np.array([1, 0])).ece == pytest.approx((0.6 + 0.39) / 2)


def test_rows_of_which_a_model_is_as_sure_are_counted_together() -> None:
    probabilities = np.concatenate([sure([0, 1, 2, 0], 0.9), sure([0, 1], 0.5)])
    few, many = reliability(probabilities, np.array([0, 1, 2, 1, 2, 2]))
    assert (few, many) == (Bin(2, pytest.approx(0.5), 0.0), Bin(4, pytest.approx(0.9), 0.75))


def test_the_figures_can_be_written_as_json() -> None:
    figures = json.loads(json.dumps(evaluate(sure(PREDICTED), LABELS.tolist()).as_dict()))
    assert list(figures) == ["n", "accuracy", "macro_recall", "macro_f1", "ece", "confusion"]
    assert figures["confusion"][0] == [2, 1, 1]


@pytest.mark.parametrize(("rows", "labels"), [(0, 0), (2, 3)])
def test_what_can_not_be_compared_is_refused(rows: int, labels: int) -> None:
    with pytest.raises(ValueError, match=f"{rows} rows"):
        evaluate(np.full((rows, 3), 1 / 3), np.zeros(labels, dtype=int))
