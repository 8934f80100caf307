import numpy as np
import pytest

from overheard.training.calibration import fit_temperature


def sample(prior: tuple[float, float, float], count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits of an ideal model of three overlapping classes that assumes a uniform prior, and the true labels."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, size=count, p=prior)
    points = np.array([-1.0, 0.0, 1.0])[labels] + rng.normal(size=count)
    return -((points[:, None] - np.array([-1.0, 0.0, 1.0])) ** 2) / 2, labels


@pytest.mark.parametrize("overconfidence", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_over_and_underconfidence(overconfidence: float) -> None:
    logits, labels = sample((1 / 3, 1 / 3, 1 / 3), 10_000, seed=0)

    assert fit_temperature(logits * overconfidence, labels, prior_shift=0.0) == pytest.approx(overconfidence, rel=0.05)


def test_a_model_of_a_uniform_prior_is_judged_as_such_on_unequal_classes() -> None:
    logits, labels = sample((0.1, 0.8, 0.1), 10_000, seed=1)

    assert fit_temperature(logits, labels, prior_shift=1.0) == pytest.approx(1.0, rel=0.05)
    assert fit_temperature(logits, labels, prior_shift=0.0) > 1.2
