"""`make bench`, in seconds: figures of both models come out, and go into a page and a picture."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training is not installed")

ROOT = Path(__file__).parents[2]
WAYS = [
    "one by one",
    "transformers pipeline",
    "engine",
    "HTTP, bulk",
    "HTTP, 32 clients",
    "HTTP, one client",
    "HTTP, open loop at 60 %",
    "HTTP, single messages beside a bulk job",
]


@pytest.mark.slow
def test_a_quick_run_measures_every_way_and_fills_the_page(tmp_path: Path) -> None:
    page, figures = tmp_path / "benchmarks.md", tmp_path / "bench.json"
    page.write_text((ROOT / "docs" / "benchmarks.md").read_text())
    (tmp_path / "images").mkdir()
    command = [sys.executable, "-m", "bench", "--quick", "--json", figures, "--docs", page]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(figures.read_text())
    assert report["quick"]
    assert len(report["models"]) == 2
    for model in report["models"]:
        assert list(model["sections"]) == WAYS
        assert all(facts["per_s"] > 0 and not facts["refused"] for facts in model["sections"].values()), model
        assert model["stack"]["mapped"] == []
    assert {"scoring worker, from its start to an answer", "engine, times the loop"} <= {
        check["what"] for check in report["checks"]
    }
    assert "QUICK: no figures to quote" in page.read_text()
    assert (tmp_path / "images" / "bench.svg").read_text().startswith("<svg")
