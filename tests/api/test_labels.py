"""`/labels`, and the command that fills it, on a real stack."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.stack import OVERHEARD, RunningStack

TEXT = "The new phone of Novabrand is a joke"


def post(stack: RunningStack, *rows: dict[str, object]) -> dict[str, Any]:
    answer = stack.client.post("/labels", json={"labels": list(rows)})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_labels_are_saved_once_listed_and_taken_back(stack: RunningStack) -> None:
    row = {"text": TEXT, "label": "negative", "brand": "novabrand", "source": "x"}
    (added,) = (first := post(stack, row)).pop("ids")
    (same, other) = (again := post(stack, row, {**row, "purpose": "audit"})).pop("ids")
    assert (first, again) == ({"added": 1, "changed": 0, "unchanged": 0}, {"added": 1, "changed": 0, "unchanged": 1})
    assert added == same != other
    page = stack.client.get("/labels?limit=1&purpose=audit").json()
    (audited,) = page["labels"]
    assert (audited["text"], audited["label"], audited["labelled_by"]) == (TEXT, "negative", "admin")
    assert page["counts"]["audit"]["negative"] >= 1
    assert stack.client.delete(f"/labels/{audited['id']}").status_code == 204
    assert stack.client.delete(f"/labels/{audited['id']}").status_code == 404
    assert stack.client.get("/labels?purpose=audit").json()["labels"] == []


def test_pages_lead_through_all_labels(stack: RunningStack) -> None:
    post(stack, *({"text": f"page test {number}", "label": "neutral"} for number in range(5)))
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = stack.client.get(f"/labels?limit=2{cursor and f'&cursor={cursor}'}").json()
        seen += [label["text"] for label in page["labels"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen))
    assert {f"page test {number}" for number in range(5)} <= set(seen)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"text": "fine", "label": "good"}, "labels.0.label"),
        ({"text": "   ", "label": "neutral"}, "labels.0.text"),
        ({"text": "fine", "label": "neutral", "purpose": "fun"}, "labels.0.purpose"),
        ({"label": "neutral"}, "labels.0.text"),
        ({"text": "fine", "label": "neutral", "brand": "b" * 101}, "labels.0.brand"),
    ],
)
def test_a_label_that_can_not_be_used_is_named(stack: RunningStack, row: dict[str, str], field: str) -> None:
    answer = stack.client.post("/labels", json={"labels": [row]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_a_viewer_may_not_label(stack: RunningStack) -> None:
    secret = stack.client.post("/keys", json={"name": "viewer", "role": "viewer"}).json()["key"]
    with stack.new_client(secret) as viewer:
        assert viewer.get("/labels").status_code == 403
        assert viewer.post("/labels", json={"labels": [{"text": "x", "label": "neutral"}]}).status_code == 403


def test_a_file_of_labels_is_imported_and_again_changes_nothing(stack: RunningStack, tmp_path: Path) -> None:
    file = tmp_path / "corrected.csv"
    file.write_text("text,label\nSo slow,negative\nSo fast,2\nIt is a phone,neutral\n")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [OVERHEARD, "labels", "import", *words], env=stack.environment, capture_output=True, text=True
        )

    assert run(str(file), "--brand", "acme").stdout == "3 added, 0 changed, 0 unchanged\n"
    assert run(str(file)).stdout == "0 added, 0 changed, 3 unchanged\n"
    file.write_text("text,label\nSo slow,furious\n")
    refused = run(str(file))
    assert refused.returncode == 1
    assert "row 1 has the label 'furious'" in refused.stderr
