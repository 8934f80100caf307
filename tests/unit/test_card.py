"""The card says what is known of a model, and its examples run."""

import os
import re
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import ModelCard

from overheard.scoring.bundle import Manifest, load_manifest
from overheard.training.card import card
from overheard.training.gate import Exam, Judged, Thresholds, decide
from overheard.training.recipe import Recipe

SNAPSHOT = {
    "hash": "c0ffee",
    "rows": {"train": 4_000, "validation": 200, "test": 600},
    "counts": {"train": [1_000, 2_000, 1_000], "validation": [50, 100, 50], "test": [200, 200, 200]},
    "fresh": {"train": 412, "test": 103, "audit": 150},
    "base_data": "cardiffnlp/tweet_eval:sentiment",
}
TRAINING = {"seconds": 1_140.0, "rows_per_s": 78.9, "epochs": 2.0, "steps": 1_410}


def manifest(**facts: Any) -> Manifest:
    file = {"sha256": "0" * 64, "size": 1}
    usual: dict[str, Any] = {
        "name": "ours",
        "max_tokens": 96,
        "temperature": 1.25,
        "quantisation": "int8, per channel",
        "base": "sentence-transformers/all-MiniLM-L6-v2@0123",
        "created": datetime(2026, 1, 2, tzinfo=UTC),
        "files": {"model.onnx": file, "tokenizer.json": file},
    }
    made = Manifest.model_validate(usual | facts)
    return made.model_copy(update={"version": made.fingerprint()})


def verdict(brand: str = "Acme", leaked_rows: int = 0) -> dict[str, Any]:
    labels = np.repeat([0, 1, 2], 200)
    wrong = (labels + 1) % 3
    fresh = np.arange(600) % 5 == 0
    exam = Exam(labels, fresh, np.where(fresh, "mastodon", "base"), np.where(fresh, brand, ""))
    champion, challenger = (
        Judged(version, np.eye(3)[np.where(np.arange(600) % 10 < right, labels, wrong)] * 0.7 + 0.1, ms)
        for version, right, ms in (("oldversion", 6, 1.0), ("newversion", 8, 1.1))
    )
    return decide(exam, champion, challenger, Thresholds(), leaked_rows=leaked_rows, allow_slower=False).as_dict()


def lines_with(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(start)]


def test_the_hub_reads_its_metadata() -> None:
    data = ModelCard(card({"manifest": manifest(), "snapshot": SNAPSHOT})).data.to_dict()
    assert data == {
        "license": "other",
        "language": "en",
        "library_name": "onnx",
        "pipeline_tag": "text-classification",
        "base_model": "sentence-transformers/all-MiniLM-L6-v2",
        "datasets": ["cardiffnlp/tweet_eval"],
        "tags": ["sentiment-analysis", "social-media", "overheard", "int8"],
        "metrics": ["recall", "f1", "accuracy"],
    }


def test_paths_of_this_machine_stay_here() -> None:
    text = card(
        {
            "manifest": manifest(base="/home/ann/bases/mini"),
            "snapshot": SNAPSHOT | {"base_data": "/home/ann/rows.parquet"},
        }
    )
    assert "ann" not in text.replace("channel", "")
    assert "From `mini`" in text
    assert "Data: `rows.parquet`" in text
    data = ModelCard(text).data.to_dict()
    assert "base_model" not in data
    assert "datasets" not in data


def test_it_says_what_the_model_was_made_of() -> None:
    text = card(
        {"manifest": manifest(), "snapshot": SNAPSHOT, "params": asdict(Recipe(epochs=3.0)), "training": TRAINING}
    )
    assert "| train | 4,000 | 1,000 (25 %) | 2,000 (50 %) | 1,000 (25 %) |" in text
    assert "`c0ffee`" in text
    assert "412 were trained on, 103 are in the test split,\nand 150 more are kept for audits" in text
    assert "`epochs=3.0`" in text
    assert "Training took 19 min: 1,410 steps, 2 epochs, 79 rows a second." in text
    assert "temperature (1.250)" in text
    assert "moved 50 % of the way" in text
    assert "cut at 96 tokens" in text


def test_figures_of_both_models_and_the_verdict_are_the_gates() -> None:
    facts = verdict()
    text = card({"manifest": manifest(), "snapshot": SNAPSHOT, "verdict": facts})
    assert lines_with(text, "| all ")[0].startswith("| all | 600 | 0.600 → 0.800 | ")
    assert lines_with(text, "| brand Acme ")[0].startswith("| brand Acme | 120 | ")
    assert [line.split(" | ")[1:] for line in lines_with(text, "| neutral ")][-1] == ["0", "160", "40 |"]
    assert "version\n`oldversion`" in text
    assert "1.00 → 1.10 ms" in text
    assert "The verdict: **promoted**." in text
    for reason in facts["reasons"]:
        assert f"- {reason}" in text


def test_vetoes_are_told() -> None:
    text = card({"manifest": manifest(), "verdict": verdict(leaked_rows=2)})
    assert "The verdict: **not promoted**." in text
    assert "- against it: 2 test rows are in the training data" in text


def test_a_brand_can_not_break_the_table() -> None:
    text = card({"manifest": manifest(), "verdict": verdict(brand="A|B\n<b>`x`")})
    (row,) = lines_with(text, "| brand ")
    assert row.startswith(r"| brand A\|B \<b\>\`x\` | 120 | ")


def test_an_imported_model_has_a_card_too() -> None:
    metrics = {"conversion": {"texts": 263, "float32_parts": [], "int8": {"argmax": 0.992, "max_difference": 0.1}}}
    text = card({"manifest": manifest(metrics=metrics), "snapshot": None, "verdict": None})
    assert "What it was trained on is not known here." in text
    assert "It was not measured on labelled posts here" in text
    assert "names the class that its float32 weights name for\n99.2 % of 263 texts" in text
    assert "verdict" not in text
    assert "None" not in text


def test_the_starters_own_figures_are_shown() -> None:
    starter = load_manifest(Path("overheard/starter"))
    text = card({"manifest": starter})
    assert "| held out | 2,372 | 0.736 | 0.719 | 0.733 | 0.030 |" in text
    assert "from transformers" not in text  # it has no float weights


@pytest.mark.slow
def test_its_examples_run(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training is not installed")
    from overheard.training import export, graph, ranges
    from overheard.training.checkpoint import open_checkpoint
    from tests.checkpoints import save_checkpoint
    from tests.hub import Hub

    opened = open_checkpoint(save_checkpoint("bert", tmp_path / "checkpoint"), tmp_path)
    tokens = opened.tokenizer(["word1 word2 word3"] * 8)["input_ids"]
    drawn = graph.build(opened.model, ranges.measure_ranges(opened.model, tokens))
    facts = {"name": "ours", "base": "ours", "labels": opened.labels, "max_tokens": 64, "temperature": 1.0}
    made = export.write_bundle(
        tmp_path / "bundle", drawn, opened.model, opened.tokenizer, facts, form="float32", with_weights=True
    )
    text = card({"manifest": made, "repository": "owner/model"})
    with_onnx, with_floats = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    with Hub() as hub:
        hub.publish("owner/model", tmp_path / "bundle", branch=made.version)
        said = [run(example, hub.url, tmp_path / "hf") for example in (with_onnx, with_floats)]
    onnx = eval(said[0])
    floats = {answer["label"]: answer["score"] for answer in eval(said[1])[0]}
    assert set(onnx) == set(floats) == {"negative", "neutral", "positive"}
    assert onnx == pytest.approx(floats, abs=0.1)


def run(example: str, url: str, cache: Path) -> str:
    own = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", example],
        env={**own, "HF_ENDPOINT": url, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]
