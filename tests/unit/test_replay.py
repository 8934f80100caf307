import numpy as np
import pytest

from overheard.training.data import Rows

pytest.importorskip("torch", reason="training is not installed")

ROWS = Rows(("a", "b", "c", "d"), (0, 1, 1, 1))


def test_labels_are_smoothed() -> None:
    from overheard.training.replay import log_prior, targets

    learned = targets(ROWS.labels, 0.3, None, log_prior(ROWS, 0.5))

    assert learned.shape == (4, 3)
    np.testing.assert_allclose(learned[0], (0.8, 0.1, 0.1), atol=1e-6)


def test_a_model_that_answers_as_before_has_nothing_to_learn_from_the_replay() -> None:
    from overheard.training.replay import Replay, log_prior, targets

    before = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], dtype=np.float32)
    adjustment = log_prior(ROWS, 0.5)
    learned = targets(ROWS.labels, 0.1, Replay(("e", "f"), before), adjustment)[4:]

    logits = np.log(before) + adjustment
    answered = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(learned, answered, atol=1e-6)


def test_a_class_that_nobody_labelled_yet_does_not_make_the_prior_infinite() -> None:
    from overheard.training.replay import log_prior

    assert np.isfinite(log_prior(ROWS, 1.0)).all()
