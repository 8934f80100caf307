"""`overheard evaluate` with the bundled model."""

import json
import shutil
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner, Result

from overheard import demo
from overheard.cli.evaluate import evaluate
from overheard.errors import BundleError, DataError
from overheard.registry import locate
from overheard.scoring.bundle import LABELS
from overheard.scoring.onnx import OnnxEngine

app = typer.Typer()
app.command()(evaluate)
POSTS = demo.posts()[:60]
LIKED = "I love this, it is wonderful, thank you so much!"
HATED = "This is terrible, the worst I have ever bought. I hate it."


def run(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def report(*args: object) -> dict:
    result = run(*args, "--json")
    assert result.exit_code == 0, result.exception
    return dict(json.loads(result.stdout))


def write(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def labelled(tmp_path) -> Path:
    return write(tmp_path / "posts.jsonl", *({"text": post.text, "label": post.label} for post in POSTS))


def test_the_numbers_are_those_of_the_confusion_matrix(labelled):
    facts = report(labelled)
    engine = OnnxEngine(locate("starter", Path("unused")), 1)
    said = engine.score([post.text for post in POSTS]).argmax(axis=1)
    meant = np.array([LABELS.index(post.label) for post in POSTS])
    confusion = np.array(facts["confusion"])
    assert facts["n"] == len(POSTS) == confusion.sum()
    assert confusion.sum(axis=1).tolist() == [int((meant == label).sum()) for label in range(3)]
    assert facts["accuracy"] == pytest.approx((said == meant).mean(), abs=0.05)  # int8 varies a little with the batch
    assert facts["accuracy"] == pytest.approx(np.trace(confusion) / len(POSTS))
    recall = np.diag(confusion) / confusion.sum(axis=1)
    precision = np.diag(confusion) / confusion.sum(axis=0)
    assert facts["macro_recall"] == pytest.approx(recall.mean())
    assert facts["macro_f1"] == pytest.approx((2 * precision * recall / (precision + recall)).mean())
    assert 0 <= facts["ece"] <= 1
    assert facts["model"] == engine.version


def test_people_read_the_same_numbers(labelled):
    facts, shown = report(labelled), run(labelled).stdout
    for name in ("accuracy", "macro_recall", "macro_f1", "ece"):
        assert f"{facts[name]:.4f}" in shown
    for label, counts in zip(LABELS, facts["confusion"], strict=True):
        assert [line.split() for line in shown.splitlines() if line.strip().startswith(label)] == [
            [label, *map(str, counts)]
        ]


@pytest.mark.parametrize("spell", [int, float, str, lambda label: LABELS[label], lambda label: LABELS[label].title()])
def test_labels_may_be_numbers_or_names(tmp_path, spell):
    rows = [{"text": LIKED, "label": spell(2)}, {"text": HATED, "label": spell(0)}, {"text": HATED, "label": spell(2)}]
    assert report(write(tmp_path / "posts.jsonl", *rows))["confusion"] == [[1, 0, 0], [0, 0, 0], [1, 0, 1]]


def test_columns_may_have_other_names(tmp_path):
    path = tmp_path / "posts.parquet"
    pq.write_table(pa.table({"body": [LIKED, HATED], "truth": pa.array([2, 0], pa.int8())}), path)
    assert report(path, "--text-column", "body", "--label-column", "truth")["accuracy"] == 1


def test_rows_without_text_or_label_are_left_out_and_counted(tmp_path):
    rows = [
        {"text": LIKED, "label": 2},
        {"text": "", "label": 1},
        {"text": HATED, "label": None},
        {"text": HATED, "label": 0},
    ]
    path = write(tmp_path / "posts.jsonl", *rows)
    assert report(path)["n"] == 2
    assert "2 rows without text or label are left out" in run(path).stderr


def test_a_bundle_in_a_folder_is_judged(labelled, tmp_path):
    with as_file(files("overheard") / "starter") as starter:
        shutil.copytree(starter, tmp_path / "bundle")
    assert report(labelled, "--model", tmp_path / "bundle") == report(labelled, "--model", "starter")


@pytest.mark.slow
def test_another_form_than_the_served_one_can_be_judged(labelled, tmp_path, monkeypatch):
    monkeypatch.setenv("OVERHEARD_HOME", str(tmp_path / "home"))
    pytest.importorskip("torch", reason="training is not installed")
    served, exact = report(labelled), report(labelled, "--form", "float32")
    assert (served["form"], exact["form"]) == ("int8", "float32")
    assert exact["accuracy"] == pytest.approx(served["accuracy"], abs=0.04)  # two of 60 rows


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([{"text": "a", "label": 1}] * 3000 + [{"text": "b", "label": "mixed"}], "row 3001 has the label 'mixed'"),
        ([{"text": "a", "label": 3}], "row 1 has the label '3'"),
        ([{"text": "a", "stars": 5}], "no column 'label'; its columns are text, stars"),
        ([{"label": 1, "body": "a"}], "no column 'text'; its columns are label, body"),
        ([{"text": "a", "label": None}], "no row with both a text and a label"),
    ],
)
def test_rows_that_can_not_be_judged_are_one_line(tmp_path, rows, complaint):
    result = run(write(tmp_path / "posts.jsonl", *rows))
    assert isinstance(result.exception, DataError)
    assert complaint in str(result.exception)
    assert "\n" not in str(result.exception)


def test_a_model_that_is_not_there_is_one_line(labelled, tmp_path):
    result = run(labelled, "--model", tmp_path / "nothing")
    assert isinstance(result.exception, BundleError)
    assert str(tmp_path / "nothing") in str(result.exception)


def test_help_shows_an_example():
    assert "Example: overheard evaluate" in run("--help").stdout
