import numpy as np

from bench.choosing import choose

WORDS = ("amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "jade", "kelp", "lotus")


def text(number: int) -> str:
    """No two of them share three words in a row."""
    return " ".join(f"{word}{number}" for word in WORDS)


def called(*labels: int) -> np.ndarray:
    """Probabilities of a model that calls the texts so."""
    return np.eye(3, dtype=np.float32)[list(labels)] * 0.6 + 0.1


def test_a_rare_class_is_labelled_as_often_as_the_others() -> None:
    labels = [0] * 4 + [1] * 60 + [2] * 36
    chosen = choose(called(*labels), [text(number) for number in range(100)], count=12, seed=0)
    assert sorted(labels[index] for index in chosen) == [0] * 4 + [1] * 4 + [2] * 4


def test_when_a_class_has_run_out_the_others_fill_its_places() -> None:
    labels = [0] + [1] * 10 + [2] * 10
    chosen = choose(called(*labels), [text(number) for number in range(21)], count=9, seed=0)
    assert sorted(labels[index] for index in chosen) == [0] + [1] * 4 + [2] * 4


def test_near_copies_are_labelled_once() -> None:
    texts = [text(0), f"RT @someone {text(0)}", text(1), f"{text(1)} https://t.co/x", text(2)]
    chosen = choose(called(0, 1, 1, 2, 2), texts, count=5, seed=0)
    assert len(chosen) == 3
    assert len({index // 2 for index in chosen}) == 3


def test_copies_of_what_has_a_label_are_not_labelled_again() -> None:
    assert choose(called(0, 1), [text(0), text(1)], count=2, seed=0, labelled=[f"{text(0)} !!"]) == [1]


def test_equal_arguments_give_equal_choices_and_another_seed_gives_others() -> None:
    probabilities, texts = called(*[0, 1, 2] * 30), [text(number) for number in range(90)]
    first, second, other = (choose(probabilities, texts, count=20, seed=seed) for seed in (1, 1, 2))
    assert first == second
    assert set(first) != set(other)
