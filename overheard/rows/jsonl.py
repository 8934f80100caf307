"""JSON lines: an object per line; a column takes the type that all its values have, else it travels as JSON text."""

import io
import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple

import pyarrow as pa

from overheard.errors import DataError
from overheard.rows.base import JSON_TEXT, Rows, Source, chunked, is_json, lines, values
from overheard.scoring.text import whole

MAX_COLUMNS: Final = 1000
TYPES: Final = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
CALLED: Final = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}


class _Object(NamedTuple):
    line: int
    chars: int
    row: dict[str, Any]


def open_rows(source: Source) -> Rows:
    seen: dict[str, dict[type | None, int]] = {}  # column -> type -> the first line that holds it
    count = 0
    for line, _, row in _objects(source, seen):
        count += 1
        for name, value in row.items():
            seen.setdefault(name, {}).setdefault(_kind(value), line)
        if len(seen) > MAX_COLUMNS:
            raise DataError(f"{source.name}: line {line}: these are more than {MAX_COLUMNS:,} columns")
    schema = pa.schema([_field(name, kinds.keys() - {type(None)}) for name, kinds in seen.items()])
    odd = {
        name: min((kinds[kind] for kind in (None, bool) if kind in kinds), default=0) for name, kinds in seen.items()
    }
    oddities = {name: f"line {line}" for name, line in odd.items() if line}
    return Rows(source, schema, count, lambda wanted: _read(source.again(), wanted), oddities)


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


def _read(source: Source, wanted: pa.Schema) -> Iterator[pa.Table]:
    for chunk in chunked((found.chars, found.row) for found in _objects(source)):
        columns = []
        for column in wanted:
            cells = [row.get(column.name) for row in chunk]
            if is_json(column):
                cells = [cell if cell is None else json.dumps(cell, ensure_ascii=False) for cell in cells]
            columns.append(pa.array(cells, column.type))
        yield pa.Table.from_arrays(columns, schema=wanted)


def _objects(source: Source, seen: dict[str, Any] | None = None) -> Iterator[_Object]:
    """What each line holds; names in rejected objects are added to `seen`. NaN and infinities, no JSON, are null."""
    for number, line in enumerate(lines(source), 1):
        if line.text.isspace() and not line.flaw:
            continue
        row, flaw = (None, line.flaw) if line.flaw else _parsed(line.text)
        if row is not None and source.text_column is not None:
            flaw = _no_text(row, source.text_column)
        if flaw:
            source.reject(number, flaw)
            if seen is not None and row is not None and len(seen) <= MAX_COLUMNS:
                for name in row:
                    seen.setdefault(name, {})
        elif row is not None:
            yield _Object(number, len(line.text), row)


def _parsed(line: str) -> tuple[dict[str, Any] | None, str]:
    """The line's object, or None and why there is none."""
    try:
        row = json.loads(line, parse_constant=lambda _: None)
        if "\\ud" in line.lower():  # half of a surrogate pair, escaped, would be no Unicode text
            row = json.loads(whole(json.dumps(row, ensure_ascii=False)))
    except (ValueError, RecursionError) as error:
        return None, f"is not valid JSON: {error.msg if isinstance(error, json.JSONDecodeError) else error}"
    return (row, "") if isinstance(row, dict) else (None, "is no JSON object")


def _no_text(row: dict[str, Any], column: str) -> str:
    """Why the row has neither a text nor an empty one; nothing when it has."""
    if column not in row:
        return f"has no {column!r}"
    value = row[column]
    return "" if value is None or isinstance(value, str) else f"holds {CALLED[type(value)]} in {column!r}, no string"


class Writer:
    def __init__(self, sink: BinaryIO, schema: pa.Schema) -> None:
        self._file = io.TextIOWrapper(sink, encoding="utf-8", newline="\n")
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
