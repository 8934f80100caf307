"""Rows in CSV, JSONL and Parquet files, read and written in chunks: memory stays flat, however long the file is.

A file is checked to its end when it is opened: what is wrong in its last line is said before work on the first begins.
CSV cells stay the texts they are. A JSONL column takes the type that all its values have; one that mixes types, or
holds lists or objects, travels as JSON text and is written to JSONL as it was. Parquet keeps its schema.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa

from overheard.errors import DataError
from overheard.rows import csv, jsonl, parquet
from overheard.rows.base import CHUNK_ROWS, Rows, Writer, is_json

__all__ = ["CHUNK_ROWS", "Rows", "Writer", "check_suffix", "create", "is_known", "open_rows", "texts"]

Opener: TypeAlias = Callable[[Path], Rows]
Creator: TypeAlias = Callable[[Path, pa.Schema], Writer]
_FORMATS: Final[dict[str, tuple[Opener, Creator]]] = {
    ".csv": (csv.open_rows, csv.Writer),
    ".jsonl": (jsonl.open_rows, jsonl.Writer),
    ".ndjson": (jsonl.open_rows, jsonl.Writer),
    ".parquet": (parquet.open_rows, parquet.Writer),
}


def open_rows(path: Path) -> Rows:
    """Check the file from end to end. Raises DataError: which file, which line, what is wrong."""
    opener, _ = _format(path)
    try:
        if not path.stat().st_size:
            raise DataError(f"{path} is empty")
        rows = opener(path)
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error
    names = rows.schema.names
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"{path} has two columns named {twice!r}: rename one")
    if not rows.count:
        raise DataError(f"{path} has no rows")
    return rows


def create(path: Path, schema: pa.Schema) -> Writer:
    """A new file in the format that its suffix names. Raises DataError for a suffix that names none."""
    _, writer = _format(path)
    return writer(path, schema)


def is_known(path: Path) -> bool:
    """Whether the suffix names a format."""
    return path.suffix.lower() in _FORMATS


def check_suffix(path: Path) -> None:
    """Raises DataError for a suffix that names no format."""
    _format(path)


def texts(table: pa.Table, column: str) -> list[str | None]:
    """The column's cells; None where there is no text: null, NaN, or nothing but white space."""
    cells: list[Any] = table[column].cast(pa.string()).to_pylist()
    if is_json(table.schema.field(column)):
        cells = [cell if cell is None else _cell_text(json.loads(cell)) for cell in cells]
    return [cell if cell and not cell.isspace() else None for cell in cells]


def _format(path: Path) -> tuple[Callable[[Path], Rows], Callable[[Path, pa.Schema], Writer]]:
    try:
        return _FORMATS[path.suffix.lower()]
    except KeyError:
        raise DataError(f"{path}: name a file that ends in {', '.join(_FORMATS)}") from None


def _cell_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
