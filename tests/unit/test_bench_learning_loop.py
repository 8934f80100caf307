"""The arithmetic of the bench of the learning loop, its tables and its plot."""

import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest

from bench import learning_plot, learning_report
from bench.learning_figures import Pairs, accuracy, digits, figures, gain, macro_f1, macro_recall
from overheard.evaluation import evaluate

LABELS = "012" * 40
WRONG = "120" * 40


def partly_right(share: float, seed: int) -> str:
    """Predictions of LABELS of which about this share is right."""
    right = np.random.default_rng(seed).random(len(LABELS)) < share
    return "".join(label if hit else other for label, other, hit in zip(LABELS, WRONG, right, strict=True))


def report() -> dict[str, Any]:
    """Two domains, two seeds, two rounds; the loop's labels teach more than random ones."""
    levels = {"balanced": (0.6, 0.8), "random": (0.55, 0.65)}
    arms = {
        f"{domain}/{way}/{seed}": [
            {
                "labels": 100 * (number + 1),
                "counts": [30, 40, 30],
                "trained_s": 12.0,
                "domain": partly_right(level, seed + number),
                "old": partly_right(0.7, 9),
            }
            for number, level in enumerate(of_way)
        ]
        for domain in ("cats", "dogs")
        for way, of_way in levels.items()
        for seed in range(2)
    }
    facts = {
        "rows": 500,
        "labels": LABELS,
        "copied": "01" * 60,
        "starter": {"domain": partly_right(0.5, 0), "old": partly_right(0.7, 9)},
    }
    machine = {"cpu": "one", "cores": 2, "instructions": ["avx2"], "system": "Linux", "load_before": 0.1}
    return {
        "asked": {"rounds": 2, "labels": 100, "seeds": 2},
        "at": "2026-01-01T00:00:00+00:00",
        "machine": machine,
        "versions": {"python": "3.11"},
        "old": LABELS,
        "domains": {"cats": facts, "dogs": facts},
        "arms": arms,
    }


def test_weighted_confusions_give_the_figures_that_evaluations_give() -> None:
    predicted = partly_right(0.6, 3)
    found = figures(predicted, LABELS)
    known = evaluate(np.eye(3)[[int(digit) for digit in predicted]], [int(digit) for digit in LABELS])
    assert (found.macro_f1, found.accuracy, found.macro_recall) == (known.macro_f1, known.accuracy, known.macro_recall)
    pairs = Pairs(LABELS, [WRONG], [predicted])
    for metric, share in ((macro_f1, known.macro_f1), (accuracy, known.accuracy), (macro_recall, known.macro_recall)):
        assert gain([pairs], metric, draws=10).points == pytest.approx(100 * share)


def test_two_equal_ways_differ_by_nothing_for_certain() -> None:
    same = [partly_right(0.6, seed) for seed in range(3)]
    change = gain([Pairs(LABELS, same, same)], macro_f1, draws=50)
    assert (change.points, change.low, change.high) == (0, 0, 0)


def test_an_interval_covers_the_true_gain_about_as_often_as_it_says() -> None:
    covered = 0
    for trial in range(100):
        before, after = partly_right(0.5, 2 * trial), partly_right(0.6, 2 * trial + 1)
        change = gain([Pairs(LABELS, [before], [after])], accuracy, seed=trial, draws=300)
        covered += change.low <= 10 <= change.high
    assert 88 <= covered <= 100


def test_seeds_that_disagree_widen_the_interval() -> None:
    low, high = partly_right(0.4, 1), partly_right(0.8, 1)
    agreeing, disagreeing = (
        gain([Pairs(LABELS, [WRONG] * 2, after)], accuracy, draws=400) for after in ([low, low], [low, high])
    )
    assert disagreeing.high - disagreeing.low > 2 * (agreeing.high - agreeing.low)


def test_rounds_begin_with_the_starter_and_average_over_seeds() -> None:
    found = learning_report.rounds(report(), "cats", "balanced")
    assert [spent for spent, _, _ in found] == [0, 100, 200]
    shares = [here.accuracy for _, here, _ in found]
    both = [figures(partly_right(0.6, seed), LABELS).accuracy for seed in range(2)]
    assert shares[1] == pytest.approx(sum(both) / 2)


def test_tables_say_what_was_gained_and_are_whole() -> None:
    text = learning_report.markdown(report())
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 3
    for table in tables:
        assert len({row.count("|") for row in table}) == 1
    row = next(line for line in tables[0] if line.startswith("| balanced against random"))
    assert row.split("|")[2].strip().startswith("+1")
    assert row.split("|")[5].strip() == "+0.0 (+0.0 to +0.0)"


def test_the_plot_has_a_line_per_way_in_each_panel() -> None:
    picture = ET.fromstring(learning_plot.svg(report()))
    lines = [path for path in picture.findall("{*}path") if " L" in path.get("d", "")]
    assert len(lines) == 2 * 3 * 2
    assert len(picture.findall("{*}circle")) == 3 * len(lines)
    assert "prefers-color-scheme: dark" in (picture.findtext("{*}style") or "")


def test_digits_are_read_back_as_they_were() -> None:
    assert digits(np.array([0, 2, 1])) == "021"
