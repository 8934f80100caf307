"""What the formats share: an open file's rows, a writer's protocol, and cells as text and JSON know them."""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa

from overheard.errors import DataError

CHUNK_ROWS: Final = 2048
JSON_TEXT: Final = {b"overheard": b"json"}  # marks a column whose cells are JSON


@dataclass(frozen=True)
class Rows:
    """An open file: `schema` and `count` are those of the whole file."""

    path: Path
    schema: pa.Schema
    count: int
    read: Callable[[pa.Schema], Iterator[pa.Table]]
    oddities: Mapping[str, str] = field(default_factory=dict)  # JSONL column -> where it holds what is no text

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Tables of at most CHUNK_ROWS rows, in the file's order. Raises DataError when the file has changed since."""
        schema = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        yield from self.read(schema)

    def require(self, column: str) -> pa.Field:
        """The column's field. Raises DataError naming the columns there are."""
        if column not in self.schema.names:
            raise DataError(f"{self.path} has no column {column!r}; its columns are {', '.join(self.schema.names)}")
        return self.schema.field(column)

    def require_text(self, column: str) -> None:
        """Raises DataError when the column is missing or holds something other than text."""
        kind = self.require(column).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if not (is_text(kind) or pa.types.is_null(kind)):
            raise DataError(f"{self.path}: column {column!r} holds {kind}, no text")
        if column in self.oddities:
            raise DataError(f"{self.path}: {self.oddities[column]}: {column!r} is no text")

    def fingerprint(self) -> str:
        """SHA-256 of the file's bytes."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


class Writer(Protocol):
    """Takes tables of the schema it was made with; complete once closed."""

    def write(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


def lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                yield _decode(path, number, line)
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}") from error


def _decode(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        raise DataError(f"{path}: line {number} is not UTF-8 text: save the file as UTF-8") from None


def values(column: pa.ChunkedArray) -> list[Any]:
    """Cells as JSON knows them, where there is a way: times and decimals as text, no more digits than a float has."""
    kind = column.type
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        return [
            float(f"{cell:.6g}") if cell is not None and math.isfinite(cell) else None for cell in column.to_pylist()
        ]
    if pa.types.is_temporal(kind) or pa.types.is_decimal(kind):
        column = column.cast(pa.string())
    elif pa.types.is_floating(kind):
        return [cell if cell is not None and math.isfinite(cell) else None for cell in column.to_pylist()]
    cells: list[Any] = column.to_pylist()
    return cells


def is_json(column: pa.Field) -> bool:
    return bool(column.metadata) and JSON_TEXT.items() <= column.metadata.items()


def is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
