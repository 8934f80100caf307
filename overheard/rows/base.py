"""What the formats share: an open file's rows, a writer's protocol, and cells as text and JSON know them."""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, Self, TypeAlias, TypeVar

import pyarrow as pa

from overheard.errors import DataError

CHUNK_ROWS: Final = 2048
CHUNK_CHARS: Final = 16_000_000  # rows of any length: a chunk of them fits in memory
MAX_LINE_BYTES: Final = 10_000_000
JSON_TEXT: Final = {b"overheard": b"json"}  # marks a column whose cells are JSON

Reject: TypeAlias = Callable[[int, str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """A file and what messages call it.

    Without `told` the first malformed row refuses the file; with it, `told(line, reason)` hears of each, once, and the
    file is read without them. A row is then malformed, too, when it holds no string or null in `text_column`.
    """

    path: Path
    name: str
    told: Reject | None = None
    text_column: str | None = None

    def reject(self, line: int, reason: str) -> None:
        """Raises DataError unless somebody wants to be told."""
        if self.told is None:
            raise DataError(f"{self.name}: line {line} {reason}")
        self.told(line, reason)

    def again(self) -> Self:
        """For a second reading: what is malformed has been told."""
        return self if self.told is None else replace(self, told=lambda _line, _reason: None)


@dataclass(frozen=True)
class Rows:
    """An open file: `schema` and `count` are those of the whole file."""

    source: Source
    schema: pa.Schema
    count: int
    read: Callable[[pa.Schema], Iterator[pa.Table]]
    oddities: Mapping[str, str] = field(default_factory=dict)  # JSONL column -> where it holds what is no text

    @property
    def name(self) -> str:
        """For messages."""
        return self.source.name

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Tables of at most CHUNK_ROWS rows, in the file's order. Raises DataError when the file has changed since."""
        schema = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        yield from self.read(schema)

    def require(self, column: str) -> pa.Field:
        """The column's field. Raises DataError naming the columns there are."""
        if column not in self.schema.names:
            raise DataError(f"{self.name} has no column {column!r}; its columns are {', '.join(self.schema.names)}")
        return self.schema.field(column)

    def require_text(self, column: str) -> None:
        """Raises DataError when the column is missing or holds something other than text."""
        kind = self.require(column).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if not (is_text(kind) or pa.types.is_null(kind)):
            raise DataError(f"{self.name}: column {column!r} holds {kind}, no text")
        if column in self.oddities:
            raise DataError(f"{self.name}: {self.oddities[column]}: {column!r} is no text")

    def fingerprint(self) -> str:
        """SHA-256 of the file's bytes."""
        with self.source.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


class Writer(Protocol):
    """Takes tables of the schema it was made with; complete once closed."""

    def write(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


class Line(NamedTuple):
    """A line's text, or why it has none that can be used."""

    text: str
    flaw: str = ""


def lines(source: Source) -> Iterator[Line]:
    """All lines of the file; none takes more memory than MAX_LINE_BYTES."""
    try:
        with source.path.open("rb") as file:
            is_first = True
            while raw := file.readline(MAX_LINE_BYTES + 1):
                if len(raw) > MAX_LINE_BYTES:
                    while raw and not raw.endswith(b"\n"):
                        raw = file.readline(MAX_LINE_BYTES)
                    yield Line("\n", f"is longer than {MAX_LINE_BYTES:,} bytes")
                else:
                    yield _decoded(raw, is_first)
                is_first = False
    except OSError as error:
        raise DataError(f"{source.name} can't be read: {error.strerror}") from error


def _decoded(raw: bytes, is_first: bool) -> Line:
    try:
        return Line(raw.decode("utf-8-sig" if is_first else "utf-8"))
    except UnicodeDecodeError:
        return Line(raw.decode("utf-8", "replace"), "is not UTF-8 text: save the file as UTF-8")


def chunked(rows: Iterable[tuple[int, T]]) -> Iterator[list[T]]:
    """Lists of at most CHUNK_ROWS rows and about CHUNK_CHARS characters; each row comes with its length."""
    chunk: list[T] = []
    room = CHUNK_CHARS
    for chars, row in rows:
        if len(chunk) >= CHUNK_ROWS or (chunk and room < chars):
            yield chunk
            chunk, room = [], CHUNK_CHARS
        chunk.append(row)
        room -= chars
    if chunk:
        yield chunk


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
