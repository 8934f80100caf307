"""Posts that somebody has exported: CSV, JSONL or Parquet. A file that grows is read on from where it ended."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from overheard.collectors.base import Asked, Cursor, Page, Post, Span
from overheard.collectors.moments import moment_of
from overheard.errors import DataError, SourceDown, SourceRefused
from overheard.formats import SUFFIXES, format_of
from overheard.settings import Settings

if TYPE_CHECKING:
    from overheard.rows import Rows

PAGE: Final = 500
MOST_SKIPPED: Final = 100
"""Malformed lines that are told one by one."""
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text",),
    "id": ("id",),
    "author": ("author",),
    "posted_at": ("posted_at", "created_at"),
    "language": ("language",),
    "reach": ("reach",),
    "url": ("url",),
    "brand": ("brand",),
}
"""What is known of a post -> names of the column that holds it, unless an option names another."""


class File:
    """Target: an absolute path. Options: names of columns, by the keys of COLUMNS.

    Cursor: {"rows": how many were read, "told": how many malformed lines, "done": whether that was all, "size",
    "modified", "sha256": of the file that was read}. As long as a file begins with what it was, it has grown.
    """

    source = "file"

    def __init__(self, settings: Settings) -> None:
        pass

    def check(self, asked: Asked) -> None:
        path = Path(asked.target)
        if format_of(path.name) is None:
            raise DataError(f"{path}: name a file that ends in {', '.join(SUFFIXES)}")
        if not path.is_absolute():
            raise DataError(f"{path}: give the whole path, since workers run in a folder of their own")
        if not path.is_file():
            raise DataError(f"{path}: there is no such file where this runs")

    def read(self, asked: Asked, cursor: Cursor, now: datetime, reads: int | None) -> Iterator[Page]:
        path = Path(asked.target)
        try:
            version = _version(path)
            if cursor.get("done") and version.items() <= cursor.items():
                yield Page((), cursor)
                return
            start = cursor if cursor and _begins_with(path, cursor) else {"rows": 0, "told": 0}
            version["sha256"] = _hash(path, version["size"])
            skipped: list[str] = []
            rows = _open(path, asked, skipped)
            columns = _columns(rows, asked.options)
        except (DataError, OSError) as error:
            reason = str(error) if isinstance(error, DataError) else f"{path}: {error.strerror or error}"
            advice = "put a readable file there, or change the feed"
            raise SourceRefused(self.source, reason, advice) from error
        yield from _pages(_Reading(path.name, rows, columns, now), start, version, skipped)


def _version(path: Path) -> dict[str, Any]:
    stat = path.stat()
    return {"size": stat.st_size, "modified": stat.st_mtime_ns}


def _begins_with(path: Path, cursor: Cursor) -> bool:
    size: int = cursor["size"]
    return path.stat().st_size >= size and _hash(path, size) == cursor["sha256"]


def _hash(path: Path, size: int) -> str:
    """SHA-256 of the first `size` bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size > 0 and (block := file.read(min(size, 1 << 20))):
            digest.update(block)
            size -= len(block)
    return digest.hexdigest()


def _open(path: Path, asked: Asked, skipped: list[str]) -> "Rows":
    """skipped: takes what is malformed."""
    from overheard.rows import open_upload  # pyarrow, which the API must not load

    kind = format_of(path.name)
    if kind is None:
        raise DataError(f"{path}: name a file that ends in {', '.join(SUFFIXES)}")
    text_column = asked.options.get("text", "text")
    return open_upload(path, str(path), kind, text_column, lambda line, why: skipped.append(f"line {line} {why}"))


def _columns(rows: "Rows", options: Mapping[str, str]) -> dict[str, str]:
    """What is known of a post -> the file's column. Raises DataError for an option whose column is missing."""
    chosen = {key: rows.require(options[key]).name for key in COLUMNS if options.get(key)}
    usual = {key: name for key, names in COLUMNS.items() for name in reversed(names) if name in rows.schema.names}
    return usual | chosen


@dataclass(frozen=True)
class _Reading:
    name: str
    rows: "Rows"
    columns: Mapping[str, str]
    now: datetime

    def posts_after(self, start: int) -> Iterator[Post | str]:
        """One for each row from `start`, or why it is none.

        A row without an id is known by what it says and how often that was said before: what is appended to the file
        changes no earlier id.
        """
        seen: Counter[bytes] = Counter()
        for number, row in enumerate(self._rows(), 1):
            if own := _cell(row, "id"):
                name = f"{self.name}#{own}"  # rows of two files may both be number 1
            else:
                content = _digest(row)
                seen[content] += 1
                name = f"{content.hex()}.{seen[content]}"
            if number > start:
                yield self._post(row, name, number)

    def _rows(self) -> Iterator[dict[str, Any]]:
        from overheard.rows import texts

        for table in self.rows.chunks(list(dict.fromkeys(self.columns.values()))):
            cells = {
                key: texts(table, column) if key == "text" else table[column].to_pylist()
                for key, column in self.columns.items()
            }
            for values in zip(*cells.values(), strict=True):
                yield dict(zip(cells, values, strict=True))

    def _post(self, row: Mapping[str, Any], external_id: str, number: int) -> Post | str:
        if not row["text"]:
            return f"row {number} has no text"
        posted_at = moment_of(row["posted_at"]) if "posted_at" in row else self.now
        if posted_at is None:
            return f"row {number} has no time that can be read: {str(row['posted_at'])[:40]!r}"
        return Post(
            external_id=external_id[:500],
            text=row["text"],
            posted_at=posted_at,
            author=_cell(row, "author"),
            url=_cell(row, "url"),
            language=_cell(row, "language").lower()[:2],
            reach=_number(row.get("reach")),
            brands=(_cell(row, "brand"),) if row.get("brand") else (),
        )


def _pages(reading: _Reading, start: Cursor, version: Mapping[str, Any], malformed: list[str]) -> Iterator[Page]:
    read, count = start["rows"], reading.rows.count
    skipped = malformed[start["told"] :]
    skipped = skipped[:MOST_SKIPPED] + ([f"{len(skipped) - MOST_SKIPPED} more lines"] if skipped[MOST_SKIPPED:] else [])
    found = islice(reading.posts_after(read), count - read)
    while True:
        items = _next(found, reading.rows.name)
        read += len(items)
        posts = tuple(item for item in items if isinstance(item, Post))
        told = (*skipped, *(item for item in items if isinstance(item, str)))
        is_last = read >= count or not items
        cursor = {"rows": read, "told": len(malformed), "done": is_last, **version}
        oldest = min((post.posted_at for post in posts), default=reading.now)
        unread = None if is_last else Span(min(oldest, reading.now), reading.now, f"{count - read} rows of the file")
        yield Page(posts, cursor, unread=unread, skipped=told)
        if is_last:
            return
        skipped = []


def _next(found: Iterator[Post | str], name: str) -> list[Post | str]:
    try:
        return list(islice(found, PAGE))
    except DataError as error:
        raise SourceDown(File.source, f"{name} changed while it was read") from error


def _digest(row: Mapping[str, Any]) -> bytes:
    """Of what the row says of a post."""
    return hashlib.blake2b("\x1f".join(map(str, row.values())).encode(), digest_size=16).digest()


def _cell(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return "" if value is None else str(value)


def _number(value: Any) -> int:
    try:
        return max(0, int(float(value or 0)))
    except (ValueError, TypeError, OverflowError):
        return 0
