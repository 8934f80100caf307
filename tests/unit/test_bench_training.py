"""The arithmetic of the training bench: what counts as time, and how its report is shown."""

import xml.etree.ElementTree as ET
from typing import Any

import pytest

pytest.importorskip("transformers", reason="training is not installed")

from bench import training_report, training_sides
from bench.training_sides import Clock, TimeIsUp, _Listener
from overheard.training.progress import Progress


class Ticking:
    """Stands in for the time module: says what it is told to say next."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Ticking:
    ticking = Ticking()
    monkeypatch.setattr(training_sides, "time", ticking)
    return ticking


def told(step: int, macro_recall: float | None = None) -> Progress:
    return Progress(step, 100, step / 100, 1.0, macro_recall, macro_recall, 1.0)


def test_the_clock_of_ours_stands_still_while_it_is_judged(time: Ticking) -> None:
    clock = Clock(limit_s=60)
    listener = _Listener(clock, batch_size=64)
    for now, progress in (
        (10, told(1)),  # warms up: not counted
        (11, told(2)),
        (12, told(2)),  # step 3, then the first pass of its judgement
        (20, told(2)),
        (30, told(3, 0.5)),
        (31, told(4, 0.5)),
    ):
        time.now = now
        listener(progress)
    assert clock.seconds == 3
    assert clock.examples == 3 * 64
    assert clock.points == [(2.0, 0.5)]


def test_a_side_ends_with_its_time(time: Ticking) -> None:
    clock = Clock(limit_s=2)
    listener = _Listener(clock, batch_size=64)
    for step in (1, 2):
        time.now = step
        listener(told(step))
    time.now = 3
    with pytest.raises(TimeIsUp):
        listener(told(3))


@pytest.fixture
def report() -> dict[str, Any]:
    plain = {"per_s": 5.0, "examples": 900, "seconds": 180, "others_cpu": 0.02, "points": [(90, 0.35), (182, 0.45)]}
    ours = {"per_s": 50.0, "examples": 9000, "seconds": 180, "others_cpu": 0.0, "points": [(30, 0.4), (60, 0.6)]}
    return {
        "at": "2026-11-24T00:00:00+00:00",
        "base": "MiniLM",
        "data": {"name": "rows.parquet", "rows": 1000, "held_out": 100},
        "minutes": 3.0,
        "device": "2 threads",
        "machine": {"cpu": "A & B", "cores": 2, "instructions": ["avx2"], "system": "Linux", "load_before": 0.1},
        "versions": {"torch": "2.13.0"},
        "sides": {"ours": ours, "plain": plain},
    }


def test_the_report_says_how_much_faster_and_how_much_better(report: dict[str, Any]) -> None:
    page = training_report.markdown(report)
    assert "| ours | 50.0 | 10.0 | 9,000 | 0 % |" in page
    assert "| ours | 0.400 | 0.600 | 0.600 | 0.600 | 0.600 |" in page
    assert "| plain |  |  | 0.350 | 0.350 | 0.450 |" in page
    assert "Ours passes 0.450, the best that the plain one reached, after 1.0 minutes." in page


def test_the_report_says_nothing_of_overtaking_where_there_is_none(report: dict[str, Any]) -> None:
    report["sides"]["ours"]["points"] = []
    assert "passes" not in training_report.markdown(report)


def test_the_plot_is_valid(report: dict[str, Any]) -> None:
    drawn = ET.fromstring(training_report.svg(report))
    lines = drawn.findall(".//{http://www.w3.org/2000/svg}path[@class='line ours']")
    assert len(lines) == 1
