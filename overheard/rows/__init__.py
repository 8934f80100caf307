"""Rows in CSV, JSONL and Parquet files, read and written in chunks: memory stays flat, however long the file is.

A file is checked to its end when it is opened: what is wrong in its last line is said before work on the first begins.
CSV cells stay the texts they are; before one that a spreadsheet would run an apostrophe is written. A JSONL column
takes the type that all its values have; one that mixes types, or holds lists or objects, travels as JSON text and is
written to JSONL as it was. Parquet keeps its schema.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa

from overheard.errors import DataError
from overheard.formats import SUFFIXES, Format, format_of
from overheard.rows import csv, jsonl, parquet
from overheard.rows.base import CHUNK_ROWS, Reject, Rows, Source, Writer, is_json

__all__ = [
    "CHUNK_ROWS",
    "Rows",
    "Writer",
    "check_suffix",
    "create",
    "is_known",
    "open_rows",
    "open_upload",
    "texts",
    "write_to",
]

_OPENERS: Final[dict[Format, Callable[[Source], Rows]]] = {
    "csv": csv.open_rows,
    "jsonl": jsonl.open_rows,
    "parquet": parquet.open_rows,
}
_WRITERS: Final[dict[Format, Callable[[BinaryIO, pa.Schema], Writer]]] = {
    "csv": csv.Writer,
    "jsonl": jsonl.Writer,
    "parquet": parquet.Writer,
}


def open_rows(path: Path) -> Rows:
    """Check the file from end to end. Raises DataError: which file, which line, what is wrong."""
    rows = _open(Source(path, str(path)), _format(path))
    if not rows.count:
        raise DataError(f"{rows.name} has no rows")
    return rows


def open_upload(path: Path, name: str, kind: Format, text_column: str, told: Reject) -> Rows:
    """The rows that can be used, if any; `told(line, reason)` hears of the others. Messages call the file `name`.

    Raises DataError when the file can't be used as a whole, or has no texts in `text_column`.
    """
    rows = _open(Source(path, name, told, text_column), kind)
    rows.require_text(text_column)
    return rows


def _open(source: Source, kind: Format) -> Rows:
    try:
        if not source.path.stat().st_size:
            raise DataError(f"{source.name} is empty")
        rows = _OPENERS[kind](source)
    except OSError as error:
        raise DataError(f"{source.name} can't be read: {error.strerror or error}") from error
    names = rows.schema.names
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"{source.name} has two columns named {twice!r}: rename one")
    return rows


def create(path: Path, schema: pa.Schema) -> Writer:
    """A new file in the format that its suffix names. Raises DataError for a suffix that names none."""
    kind = _format(path)
    return write_to(path.open("wb"), kind, schema)


def write_to(sink: BinaryIO, kind: Format, schema: pa.Schema) -> Writer:
    """Rows for whoever reads the other end of `sink`, which is closed with the writer."""
    return _WRITERS[kind](sink, schema)


def is_known(path: Path) -> bool:
    """Whether the suffix names a format."""
    return format_of(path.name) is not None


def check_suffix(path: Path) -> None:
    """Raises DataError for a suffix that names no format."""
    _format(path)


def texts(table: pa.Table, column: str) -> list[str | None]:
    """The column's cells; None where there is no text: null, NaN, or nothing but white space."""
    cells: list[Any] = table[column].cast(pa.string()).to_pylist()
    if is_json(table.schema.field(column)):
        cells = [cell if cell is None else _cell_text(json.loads(cell)) for cell in cells]
    return [cell if cell and not cell.isspace() else None for cell in cells]


def _format(path: Path) -> Format:
    kind = format_of(path.name)
    if kind is None:
        raise DataError(f"{path}: name a file that ends in {', '.join(SUFFIXES)}")
    return kind


def _cell_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
