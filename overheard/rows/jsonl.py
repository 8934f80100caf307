"""JSON lines: an object per line; a column takes the type that all its values have, else it travels as JSON text."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from overheard.errors import DataError
from overheard.rows.base import CHUNK_ROWS, JSON_TEXT, Rows, is_json, lines, values
from overheard.scoring.text import whole

TYPES: Final = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


def open_rows(path: Path) -> Rows:
    seen: dict[str, dict[type | None, int]] = {}  # column -> type -> the first line that holds it
    count = 0
    for line, row in _objects(path):
        count += 1
        for name, value in row.items():
            seen.setdefault(name, {}).setdefault(_kind(value), line)
    schema = pa.schema([_field(name, kinds.keys() - {type(None)}) for name, kinds in seen.items()])
    odd = {
        name: min((kinds[kind] for kind in (None, bool) if kind in kinds), default=0) for name, kinds in seen.items()
    }
    oddities = {name: f"line {line}" for name, line in odd.items() if line}
    return Rows(path, schema, count, lambda wanted: _read(path, wanted), oddities)


def _kind(value: Any) -> type | None:
    """None for what has no column type of its own."""
    if isinstance(value, list | dict) or (isinstance(value, int) and not -(2**63) <= value < 2**63):
        return None
    return type(value)


def _field(name: str, kinds: set[type | None]) -> pa.Field:
    if kinds == {int, float}:
        kinds = {float}
    if not kinds:
        return pa.field(name, pa.string())
    kind = kinds.pop()
    if kinds or kind is None:
        return pa.field(name, pa.string(), metadata=JSON_TEXT)
    return pa.field(name, TYPES[kind])


def _read(path: Path, wanted: pa.Schema) -> Iterator[pa.Table]:
    rows = (row for _, row in _objects(path))
    while chunk := list(islice(rows, CHUNK_ROWS)):
        columns = []
        for column in wanted:
            cells = [row.get(column.name) for row in chunk]
            if is_json(column):
                cells = [cell if cell is None else json.dumps(cell, ensure_ascii=False) for cell in cells]
            columns.append(pa.array(cells, column.type))
        yield pa.Table.from_arrays(columns, schema=wanted)


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line's number and object. NaN and infinities, which are no JSON, are read as null."""
    for number, line in enumerate(lines(path), 1):
        if line.isspace():
            continue
        try:
            row = json.loads(line, parse_constant=lambda _: None)
            if "\\ud" in line.lower():  # half of a surrogate pair, escaped, would be no Unicode text
                row = json.loads(whole(json.dumps(row, ensure_ascii=False)))
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else error
            raise DataError(f"{path}: line {number} is not valid JSON: {reason}") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {number} is no JSON object")
        yield number, row


class Writer:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._names = schema.names
        self._json = {column.name for column in schema if is_json(column)}

    def write(self, table: pa.Table) -> None:
        columns: list[list[Any]] = []
        for name, column in zip(self._names, table.columns, strict=True):
            told = values(column)
            columns.append([c if c is None else json.loads(c) for c in told] if name in self._json else told)
        for cells in zip(*columns, strict=True):
            row = dict(zip(self._names, cells, strict=True))
            self._file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")

    def close(self) -> None:
        self._file.close()
