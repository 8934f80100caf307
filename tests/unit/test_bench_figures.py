"""The bench's arithmetic: percentiles, rates, arrivals, checks, costs, and how a report is shown."""

import json
import math
import os
import re
import time
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bench import costs, docs, plot, report, scaling_report
from bench.checks import checks
from bench.jobs import Progress
from bench.load import arrivals
from bench.machine import Watch
from bench.numbers import Section, latencies, percentile
from bench.texts import read
from overheard.errors import DataError
from overheard.scoring.text import clean

KEPT = "bulk job beside single messages, share of its speed"


def section(per_s: float, **more: Any) -> dict[str, Any]:
    return {
        "per_s": per_s,
        "rounds_per_s": [per_s],
        "cpu_ms_per_message": {},
        "refused": {},
        "others_cpu": [0.02],
        **more,
    }


def model(name: str = "starter", **changes: Any) -> dict[str, Any]:
    """One that passes every check, barely."""
    sections = {
        "one by one": section(100),
        "engine": section(900),
        "HTTP, bulk": section(765, cpu_ms_per_message={"api": 0.1, "ml": 1.0}),
        "HTTP, 32 clients": section(400),
        "HTTP, one client": section(70, p50_ms=14.0, p95_ms=15.0, p99_ms=16.0),
        "HTTP, single messages beside a bulk job": section(5, p50_ms=30.0, p95_ms=60.0, p99_ms=100.0),
    }
    facts = {
        "name": name,
        "mean_tokens": 26.0,
        "threads": {"torch": 2, "engine": 2},
        "sections": sections,
        "single_pass": {"p50_ms": 4.0, "p95_ms": 5.0, "p99_ms": 6.0, "n": 100},
        "full_pass": {"p50_ms": 30.0, "p95_ms": 31.0, "p99_ms": 32.0, "n": 20},
        "bulk_jobs": {"alone_per_s": 500.0, "beside_per_s": 400.0, "rounds_per_s": [[500.0, 400.0]]},
        "stack": {"rss_mb": {"ml": 400.0, "api": 150.0}, "mapped": [], "worker_ready_s": 3.0},
    }
    return {**facts, **changes}


def whole_report(*models: dict[str, Any]) -> dict[str, Any]:
    machine = {"cpu": "A <fast> one", "cores": 2, "instructions": ["avx2"], "system": "Linux", "load_before": 0.1}
    return {
        "at": "2026-01-01T00:00:00+00:00",
        "quick": False,
        "rounds": 3,
        "data": {"name": "posts.parquet", "distinct": 30_000},
        "machine": machine,
        "versions": {"python": "3.11"},
        "models": list(models),
        "checks": [check.facts() for check in checks(list(models))],
    }


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert [percentile(values, share) for share in (1, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7.0], 99) == 7
    assert math.isnan(percentile([], 50))


def test_latencies_that_were_not_measured_are_null_in_json() -> None:
    assert json.loads(json.dumps(latencies([]))) == {"p50_ms": None, "p95_ms": None, "p99_ms": None, "n": 0}


def test_a_rate_weighs_rounds_by_their_time() -> None:
    rounds = Section()
    rounds.add(100, 1.0, {"ml": 0.5})
    rounds.add(100, 3.0, {"ml": 0.5, "api": 0.2}, refused={"503": 4})
    assert rounds.per_s == 50
    facts = rounds.facts()
    assert facts["rounds_per_s"] == [100, 33.3]
    assert facts["cpu_ms_per_message"] == {"ml": 5.0, "api": 1.0}
    assert facts["refused"] == {"503": 4}


def test_arrivals_are_random_but_the_same_for_the_same_seed() -> None:
    times = arrivals(50, 100, seed=1)
    assert times == sorted(times) == arrivals(50, 100, seed=1) != arrivals(50, 100, seed=2)
    assert times[0] > 0
    assert times[-1] < 100
    assert len(times) == pytest.approx(5000, rel=0.05)
    gaps = [after - before for before, after in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    spread = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert spread == pytest.approx(mean, rel=0.1)  # as a Poisson process has it; evenly spaced ones have none


def test_a_jobs_rate_is_not_fooled_by_parts_that_finish_in_bursts() -> None:
    bursts = [(5.0 * burst + 0.2 * part, 1024 * burst + 256 * part) for burst in range(8) for part in range(4)]
    progress = Progress(seen=bursts)
    for since in (5.1, 6.0, 7.5, 9.9):
        assert progress.per_s(since, since + 25) == pytest.approx(1024 / 5, rel=0.1)
    assert progress.per_s(1.0, 4.0) is None


def test_texts_are_distinct_to_whoever_cleans_them_and_drawn_anew_for_each_round(tmp_path: Path) -> None:
    posts = tmp_path / "posts.csv"
    posts.write_text('text\na\n"a "\nb\nc\n@someone hi\n@another hi\n')
    texts = read(posts, "text", seed=0)
    assert len(texts) == 4
    many = texts.draw(0, 11)
    assert len({clean(text) for text in many}) == 11
    assert many == texts.draw(0, 11)
    assert {clean(text) for text in texts.draw(1, 4)} == {clean(text) for text in many[:4]}
    assert len({tuple(texts.draw(number, 4)) for number in range(20)}) > 1


def test_a_missing_column_is_an_error_of_ours(tmp_path: Path) -> None:
    posts = tmp_path / "posts.csv"
    posts.write_text("body\na\n")
    with pytest.raises(DataError, match="body"):
        read(posts, "text", seed=0)


def test_a_model_that_reaches_every_goal_passes() -> None:
    found = checks([model(), model("RoBERTa-base size", sections=model()["sections"] | {"HTTP, bulk": section(1100)})])
    assert [check.what for check in found if not check.passes] == []
    assert len(found) == 14


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        ({"sections": model()["sections"] | {"engine": section(899)}}, "engine, times the loop"),
        ({"single_pass": {"p50_ms": 3.9}}, "one client, p50 above the bare pass"),
        ({"full_pass": {"p50_ms": 29.0}}, "single messages beside a bulk job, p99 (5 x idle p50 + one pass)"),
        ({"bulk_jobs": {"alone_per_s": 501.0, "beside_per_s": 400.0}}, KEPT),
        ({"bulk_jobs": {"alone_per_s": None, "beside_per_s": None}}, KEPT),
        ({"stack": model()["stack"] | {"mapped": ["torch"]}}, "libraries of torch and mlflow in the scoring worker"),
        ({"stack": model()["stack"] | {"worker_ready_s": 3.1}}, "scoring worker, from its start to an answer"),
    ],
)  # fmt: skip
def test_a_goal_that_is_missed_or_was_not_measured_fails(changes: dict[str, Any], failing: str) -> None:
    assert [check.what for check in checks([model(**changes)]) if not check.passes] == [failing]


def test_ratios_come_first_in_the_table_and_a_clients_own_pace_has_none() -> None:
    rows = {line[0]: line for line in report.lines(model())}
    assert rows["engine"][1:3] == ("9.00", "900")
    assert rows["HTTP, one client"][1] == rows["HTTP, single messages beside a bulk job"][1] == ""
    assert rows["HTTP, bulk jobs beside single messages"][1:3] == ("4.00", "400")


def test_a_page_keeps_what_stands_around_its_figures(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nafter\n")
    found = whole_report(model(), model("RoBERTa-base size"))
    for _ in range(2):
        docs.fill(page, "bench", report.markdown(found))
    text = page.read_text()
    assert text.startswith("before\n<!-- bench: begin -->\n\n- A <fast> one, 2 cores, avx2, Linux\n")
    assert text.endswith("\n\n<!-- bench: end -->\nafter\n")
    assert "old" not in text
    assert "| RoBERTa-base size: HTTP in bulk, times the loop | 7.65 | >= | 11 | FAILS |" in text
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table}) == 1


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("text\n")
    with pytest.raises(ValueError, match="bench: begin"):
        docs.fill(page, "bench", "figures")
    assert page.read_text() == "text\n"


def test_the_plot_has_a_bar_per_way_as_long_as_its_ratio() -> None:
    picture = ET.fromstring(plot.svg(whole_report(model())))
    bars = picture.findall("{*}rect")
    widths = [float(bar.get("width", 0)) for bar in bars]
    assert len(bars) == 4
    assert widths[1] / widths[0] == pytest.approx(9, rel=0.01)
    assert "prefers-color-scheme: dark" in (picture.findtext("{*}style") or "")


def test_costs_leave_out_the_client_and_what_runs_anyway() -> None:
    cpu_ms = {"api": 0.2, "redis": 0.05, "ml": 1.25, "client": 9.0, "beat": 1.0, "supervisor": 1.0, "io": 1.0}
    (row,) = costs.table({"bulk calls": cpu_ms})
    assert row["cpu_s_per_million"] == 1500
    assert row["ceilings_per_s"] == {"api": 5000, "redis": 20_000, "ml": 800}
    assert row["cores_for_a_billion_a_day"]["ml"] == pytest.approx(14.47)


def test_scaling_compares_with_one_worker() -> None:
    facts = {
        **whole_report(),
        "model": "starter",
        "cases": {"one worker": {"bulk calls": section(100)}, "two workers": {"bulk calls": section(180)}},
        "costs": costs.table({"bulk calls": {"api": 0.2, "redis": 0.05, "ml": 1.25}}),
    }
    text = scaling_report.markdown(facts)
    assert "| two workers | 180 (1.80) | 2 % |" in text
    assert "| bulk calls | 0.200 | 1.250 | 0.050 | 1,500 |" in text


def test_work_of_others_is_told_from_ours() -> None:
    watch, began_cpu_s, until = Watch(), time.process_time(), time.monotonic() + 0.5
    while time.monotonic() < until:
        pass
    used_s = time.process_time() - began_cpu_s
    assert watch.others(0.0) - watch.others(used_s) == pytest.approx(used_s / 0.5 / (os.cpu_count() or 1), rel=0.2)
