"""Labelled rows to learn from, whatever file or Hub data set they come from."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from overheard.errors import DataError
from overheard.scoring.bundle import LABELS
from overheard.scoring.text import clean

if TYPE_CHECKING:
    from datasets import Dataset

MIN_ROWS: Final = 60
"""Fewer rows than this teach nothing that could be measured."""

SPLITS: Final = ("train", "validation", "test")

_BUILDERS: Final = {".parquet": "parquet", ".csv": "csv", ".jsonl": "json", ".json": "json"}
LABEL_OF: Final = {
    **{name: label for label, name in enumerate(LABELS)},
    "0": 0,
    "1": 1,
    "2": 2,
    "bearish": 0,
    "bullish": 2,
}
"""What sets and models call our labels, in lower case."""


@dataclass(frozen=True)
class Rows:
    """Texts and their labels (0 negative, 1 neutral, 2 positive), in a fixed order."""

    texts: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, indices: Sequence[int]) -> Self:
        return type(self)(tuple(self.texts[i] for i in indices), tuple(self.labels[i] for i in indices))

    def __add__(self, other: Self) -> Self:
        return type(self)(self.texts + other.texts, self.labels + other.labels)

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many rows each class has, in the order of the labels."""
        negative, neutral, positive = (self.labels.count(label) for label in range(len(LABELS)))
        return negative, neutral, positive

    def split(self, share: float, seed: int) -> tuple[Self, Self]:
        """The rows in two parts at random, the second with this share of every class."""
        order = np.random.default_rng(seed).permutation(len(self))
        labels = np.array(self.labels)[order]
        parts = [order[labels == label] for label in range(len(LABELS))]
        second = np.concatenate([part[: round(share * len(part))] for part in parts])
        first = np.setdiff1d(np.arange(len(self)), second)
        return self[first.tolist()], self[np.sort(second).tolist()]

    def content_hash(self) -> str:
        """sha256 over every text and label in their order: equal hashes mean equal data."""
        digest = hashlib.sha256()
        for text, label in zip(self.texts, self.labels, strict=True):
            digest.update(json.dumps([text, label]).encode() + b"\n")
        return digest.hexdigest()


def load_rows(source: str, split: str = "train", years: range | None = None) -> Rows:
    """The labelled rows of a Parquet, CSV or JSONL file with `text` and `label`, or of a Hub data set `id[:config]`.

    split: of a Hub data set. years: keep the rows whose `year` column starts with one of these.
    Labels are mapped by their names wherever they have names; rows without a text are left out.
    Raises DataError when the source can't be read, lacks a column, has an unknown label, too few rows,
    or none of a class.
    """
    return _rows(source, _open(source, split), years)


def load_splits(source: str) -> dict[str, Rows]:
    """All that a source has of `train`, `validation` and `test`; a file is `train`. Raises DataError as `load_rows`."""
    names = [split for split in SPLITS if split == "train" or split in _split_names(source)]
    return {split: load_rows(source, split) for split in names}


def _split_names(source: str) -> Sequence[str]:
    if _builder(source):
        return ()
    from datasets import get_dataset_split_names

    dataset_id, _, config = source.partition(":")
    try:
        return list(get_dataset_split_names(dataset_id, config or None))
    except Exception as error:
        raise _unloadable(source, error) from error


def _rows(source: str, table: "Dataset", years: range | None) -> Rows:
    wanted = ("text", "label") if years is None else ("text", "label", "year")
    missing = [name for name in wanted if name not in table.column_names]
    if missing:
        raise DataError(f"{source} has no column {' or '.join(missing)}, only {', '.join(table.column_names)}")
    columns = {name: list(table[name]) for name in wanted}
    names = getattr(table.features["label"], "names", None)
    kept = [
        (text, _label(source, row, columns["label"][row], names))
        for row, text in enumerate(columns["text"])
        if isinstance(text, str) and clean(text) and (years is None or _year(columns["year"][row]) in years)
    ]
    rows = Rows(tuple(text for text, _ in kept), tuple(label for _, label in kept))
    _check(source, rows)
    return rows


def _open(source: str, split: str) -> "Dataset":
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    builder = _builder(source)
    if builder and not Path(source).is_file():
        raise DataError(f"{source}: there is no such file")
    try:
        if builder:
            return load_dataset(builder, data_files={"train": str(Path(source).resolve())}, split="train")
        dataset_id, _, config = source.partition(":")
        return load_dataset(dataset_id, config or None, split=split)
    except Exception as error:  # whatever a broken file, a wrong id or a lost network raise in there
        raise _unloadable(source, error) from error


def _builder(source: str) -> str | None:
    """How a file of this name is read; None for a Hub data set."""
    return _BUILDERS.get(Path(source).suffix.lower())


def _unloadable(source: str, error: Exception) -> DataError:
    root = error.__cause__ or error
    reason = str(root).strip().partition("\n")[0] or type(root).__name__
    return DataError(f"{source} can't be loaded: {reason}; set OVERHEARD_TRAINING_DATA to a file, or check the network")


def _label(source: str, row: int, value: Any, names: Sequence[str] | None) -> int:
    if names and isinstance(value, int) and 0 <= value < len(names):
        value = names[value]
    label = LABEL_OF.get(str(value).strip().lower()) if isinstance(value, int | str) else None
    if label is None:
        raise DataError(f"{source}, row {row}: {value!r} is no label; known are {', '.join(LABELS)} and 0, 1, 2")
    return label


def _year(value: Any) -> int | None:
    """The year that a number, a date or a split's name such as `2013dev` starts with."""
    match = re.match(r"\d{4}", str(value))
    return int(match.group()) if match else None


def _check(source: str, rows: Rows) -> None:
    if len(rows) < MIN_ROWS:
        raise DataError(f"{source} has {len(rows)} usable rows, at least {MIN_ROWS} are needed")
    for name, count in zip(LABELS, rows.counts, strict=True):
        if not count:
            raise DataError(f"{source} has no row labelled {name}")
