"""The formats that rows travel in, by suffix and by media type. Light: whoever only names a format reads no file."""

from pathlib import Path
from typing import Final, Literal, TypeAlias

Format: TypeAlias = Literal["csv", "jsonl", "parquet"]
SUFFIXES: Final[dict[str, Format]] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
MEDIA_TYPES: Final[dict[str, Format]] = {
    "text/csv": "csv",
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "application/vnd.apache.parquet": "parquet",
}


def format_of(name: str) -> Format | None:
    """The format that the file's suffix names."""
    return SUFFIXES.get(Path(name).suffix.lower())


def media_type(kind: Format) -> str:
    return next(media for media, its_kind in MEDIA_TYPES.items() if its_kind == kind)
