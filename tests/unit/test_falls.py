"""Whether accuracy has fallen: over trainings, and from check to check."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from overheard import falls
from overheard.falls import Fall, Run
from overheard.registry import locate
from overheard.scoring.bundle import load_manifest
from overheard.store import falls as judged
from overheard.store import models, schedules
from overheard.store.database import Database
from overheard.store.tables.audits import Quality
from overheard.store.tables.heard import Brand

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOWHERE = Path()


def run(accuracy: float, rows: int = 2_000, macro_recall: float = 0.7, version: str = "m") -> Run:
    error = (0.25 / rows) ** 0.5
    return Run(version, "job", NOW, rows, accuracy, macro_recall, error, error, {})


def test_a_fall_beyond_the_limit_is_told_with_the_run_that_was_best() -> None:
    runs = [run(0.62, version="new"), run(0.68), run(0.71, version="best"), run(0.69)]
    (fall,) = falls.find("trainings", runs, 0.05)
    assert (fall.figure, fall.best.version, fall.newest.version) == ("accuracy", "best", "new")
    assert fall.fall == pytest.approx(0.09)
    assert 0 < fall.at_least < fall.fall
    assert str(fall) == "accuracy 0.620 (new, 2,000 rows) is 9.0 points below 0.710 (best, 2,000 rows)"
    assert Fall.of(json.loads(json.dumps(fall.as_dict()))) == fall


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [run(0.4)],
        [run(0.66), run(0.71)],  # exactly so much may it fall
        [run(0.75), run(0.6)],
        [run(0.6, rows=60), run(0.68, rows=60)],  # chance explains it
    ],
)
def test_nothing_else_is_a_fall(runs: list[Run]) -> None:
    assert falls.find("service", runs, 0.0500001) == []


def test_macro_recall_is_watched_too() -> None:
    found = falls.find("service", [run(0.7, macro_recall=0.5), run(0.7, macro_recall=0.7)], 0.05)
    assert [fall.figure for fall in found] == ["macro_recall"]


def test_models_of_equal_quality_seldom_seem_to_have_fallen() -> None:
    generator = np.random.default_rng(1)
    alarms = 0
    for _ in range(500):
        shares = generator.binomial(300, 0.7, size=5) / 300
        alarms += bool(falls.find("trainings", [run(float(share), rows=300) for share in shares], 0.0))
    assert alarms <= 0.075 * 500


def test_errors_come_from_the_confusion() -> None:
    found = falls.errors([[80, 10, 10], [0, 0, 0], [30, 0, 70]])
    assert found["accuracy"] == pytest.approx(0.0307, abs=2e-4)
    assert found["macro_recall"] == pytest.approx(0.0306, abs=3e-4)
    assert falls.errors([[3, 0, 0], [0, 3, 0], [0, 0, 3]])["accuracy"] > 0


def evaluation(accuracy: float) -> dict[str, object]:
    hits = round(300 * accuracy)
    confusion = [[hits, 150 - hits // 2, 150 - (hits + 1) // 2]] * 3
    return {"n": 900, "accuracy": accuracy, "macro_recall": accuracy, "confusion": confusion}


def test_what_the_last_trainings_produced_is_read_from_their_verdicts(either: Database) -> None:
    starter = load_manifest(locate("starter", NOWHERE))
    with either.write() as session:
        models.register(session, starter, NOW, location="starter")
        for number in range(3):
            manifest = starter.model_copy(update={"version": f"{number:012}"})
            verdict = {"slices": [{"kind": "all", "challenger": evaluation(0.6 + number / 10)}]}
            facts = {"mlflow": "http://mlflow/#/run"} if number else {}
            at = NOW + timedelta(days=number)
            models.register(session, manifest, at, job_id=f"job{number}", verdict=verdict, facts={"x": 1, **facts})
    with either.read() as session:
        newest, second = judged.trained(session, 2)
    assert (newest.version, newest.job_id, newest.rows) == (f"{2:012}", "job2", 900)
    assert newest.accuracy == pytest.approx(0.8)
    assert second.links["training"] == "/jobs/job1"
    assert second.links["model"] == f"/models/{1:012}"
    assert second.links["mlflow"] == "http://mlflow/#/run"


def test_the_newest_check_that_came_to_an_end_counts(either: Database) -> None:
    (fall,) = falls.find("service", [run(0.6), run(0.7)], 0.05)
    with either.read() as session:
        assert judged.newest(session) == []
    checks = [{"falls": []}, {"falls": [fall.as_dict()]}, {"error": "no bundle"}]
    with either.write() as session:
        for number, outcome in enumerate(checks):
            at = NOW + timedelta(days=number)
            assert schedules.claim(session, judged.CHECK, at, at, may_take_over=False)
            schedules.finish(session, judged.CHECK, at, at, outcome)
        schedules.claim(session, judged.CHECK, NOW + timedelta(days=9), NOW, may_take_over=False)
    with either.read() as session:
        assert judged.newest(session) == [fall]
    with either.write() as session:
        schedules.finish(session, judged.CHECK, NOW + timedelta(days=9), NOW, {"falls": []})
        assert judged.newest(session) == []


def test_past_checks_on_the_same_kind_of_labels_are_compared(either: Database) -> None:
    figures = {"n": 400, "accuracy": 0.7, "macro_recall": 0.6, "model": "m1"}
    errors = {"accuracy": 0.02, "macro_recall": 0.02}
    outcomes = [
        {"labels": "audit", **figures, "errors": errors, "falls": []},
        {"labels": "held-out", **figures, "errors": errors, "falls": []},
        {"labels": "audit", "n": 3, "problem": "too few labels", "falls": []},
        {"labels": "audit", **figures},  # as it was kept before errors were
    ]
    with either.write() as session:
        for number, outcome in enumerate(outcomes):
            at = NOW + timedelta(days=number)
            schedules.claim(session, judged.CHECK, at, at, may_take_over=False)
            schedules.finish(session, judged.CHECK, at, at, outcome)
    with either.read() as session:
        (checked,) = judged.served(session, "audit")
    assert (checked.version, checked.rows, checked.accuracy, checked.at) == ("m1", 400, 0.7, NOW)


def test_what_is_estimated_without_labels_is_watched_brand_by_brand(either: Database) -> None:
    with either.write() as session:
        brand = Brand(name="a", name_key="a", spec={}, created_at=NOW, updated_at=NOW)
        session.add(brand)
        session.flush()
        brand_id = brand.id
        weeks = ((1, "m2", 900, 0.6), (1, "m1", 100, 0.9), (2, "m1", 900, 0.75), (9, "m1", 900, 0.99))
        for weeks_ago, model, posts, point in weeks:
            share = {"point": point, "low": point - 0.04, "high": point + 0.04}
            figures = {"expected": {"accuracy": share, "macro_recall": {**share, "point": 0.6}, "posts": posts}}
            at = NOW - timedelta(weeks=weeks_ago)
            common = {"brand_id": brand_id, "week": at, "model": model, "posts": posts, "measured_at": NOW}
            session.add(Quality(**common, source="", language="", figures=figures))
            session.add(Quality(**common, source="x", language="", figures={"expected": None}))
        too_few = {"accuracy": {"point": None, "low": None, "high": None}}
        row = {"brand_id": brand_id, "week": NOW - timedelta(hours=1), "model": "m2", "posts": 9, "measured_at": NOW}
        session.add(Quality(**row, source="", language="", figures={"expected": too_few}))
    with either.read() as session:
        ((found_id, runs),) = judged.estimated(session, NOW).items()
    assert [(run.version, run.accuracy) for run in runs] == [("m2", 0.6), ("m1", 0.75)]
    (fall,) = falls.find("estimated", runs, 0.05, found_id)
    assert (fall.brand_id, fall.figure, fall.best.version) == (brand_id, "accuracy", "m1")
