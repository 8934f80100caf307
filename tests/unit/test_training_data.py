import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from overheard.errors import DataError
from overheard.training.data import MIN_ROWS, load_rows

datasets = pytest.importorskip("datasets", reason="training is not installed")

WORDS = ("dreadful", "a parcel", "delightful")
Write: TypeAlias = Callable[[str, list[dict[str, Any]]], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write rows to a file of the kind that its name says; its path."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def write_rows(name: str, rows: list[dict[str, Any]]) -> str:
        path, table = tmp_path / name, datasets.Dataset.from_list(rows)
        match path.suffix:
            case ".parquet":
                table.to_parquet(path)
            case ".csv":
                table.to_csv(path)
            case _:
                path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(path)

    return write_rows


def some_rows(count: int = MIN_ROWS) -> list[dict[str, Any]]:
    return [{"text": f"{WORDS[i % 3]} {i}", "label": i % 3} for i in range(count)]


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.jsonl"])
def test_a_file_of_any_kind_gives_the_same_rows(write: Write, name: str) -> None:
    rows = load_rows(write(name, some_rows()))

    assert rows.texts[:2] == ("dreadful 0", "a parcel 1")
    assert rows.labels[:4] == (0, 1, 2, 0)
    assert rows.counts == (20, 20, 20)


def test_label_names_win_over_their_positions(write: Write, tmp_path: Path) -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["positive", "negative", "neutral"])}
    )
    table = datasets.Dataset.from_list(some_rows(), features=features)
    table.to_parquet(tmp_path / "named.parquet")

    assert load_rows(str(tmp_path / "named.parquet")).labels[:3] == (2, 0, 1)


def test_labels_may_be_words(write: Write) -> None:
    words = ("Negative", " neutral", "positive")
    rows = [row | {"label": words[row["label"]]} for row in some_rows()]

    assert load_rows(write("rows.jsonl", rows)).labels[:3] == (0, 1, 2)


def test_rows_without_a_text_are_left_out(write: Write) -> None:
    rows = [*some_rows(), {"text": None, "label": 0}, {"text": " \n", "label": 1}]

    assert len(load_rows(write("rows.jsonl", rows))) == MIN_ROWS


def test_years_select_rows_by_what_their_year_starts_with(write: Write) -> None:
    rows = [row | {"year": year} for year in ("2013dev", "2015train", "2016test") for row in some_rows()]
    source = write("rows.parquet", rows)

    assert len(load_rows(source, years=range(2013, 2016))) == 2 * MIN_ROWS
    assert len(load_rows(source, years=range(2016, 2017))) == MIN_ROWS


def test_the_hash_changes_with_a_text_a_label_or_the_order(write: Write) -> None:
    rows = some_rows()
    original = load_rows(write("rows.jsonl", rows)).content_hash()
    relabelled = [rows[0] | {"label": 1}, *rows[1:]]
    reworded = [rows[0] | {"text": "dreadful!"}, *rows[1:]]

    assert load_rows(write("copy.csv", rows)).content_hash() == original
    for name, others in (("a.jsonl", relabelled), ("b.jsonl", reworded), ("c.jsonl", rows[::-1])):
        assert load_rows(write(name, others)).content_hash() != original


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"tweet": "x", "label": 1}] * 60, "no column text, only tweet, label"),
        ([{"text": "x", "sentiment": 1}] * 60, "no column label, only text, sentiment"),
        ([*some_rows(), {"text": "x", "label": 3}], "row 60: 3 is no label; known are negative, neutral, positive"),
        (some_rows(MIN_ROWS - 1), "has 59 usable rows, at least 60 are needed"),
        ([row for row in some_rows(120) if row["label"]], "has no row labelled negative"),
    ],
)
def test_unusable_rows_are_explained(write: Write, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_rows(write("rows.jsonl", rows))


def test_years_need_a_year_column(write: Write) -> None:
    with pytest.raises(DataError, match="no column year"):
        load_rows(write("rows.jsonl", some_rows()), years=range(2013, 2016))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(DataError, match=r"nowhere/rows\.csv: there is no such file"):
        load_rows("nowhere/rows.csv")


def test_a_broken_file_is_a_data_error(tmp_path: Path, write: Write) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"this is not Parquet")

    with pytest.raises(DataError, match=r"rows\.parquet can't be loaded"):
        load_rows(str(path))


def test_a_split_keeps_the_classes_shares_and_loses_no_row(write: Write) -> None:
    rows = load_rows(write("rows.jsonl", some_rows(300)))

    kept, held_out = rows.split(0.1, seed=0)

    assert held_out.counts == (10, 10, 10)
    assert sorted(kept.texts + held_out.texts) == sorted(rows.texts)
    assert rows.split(0.1, seed=0)[1] == held_out
    assert rows.split(0.1, seed=1)[1] != held_out
