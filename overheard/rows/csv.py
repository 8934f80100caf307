"""CSV: a header, then cells that stay the texts they are."""

import csv
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from overheard.errors import DataError
from overheard.rows.base import CHUNK_ROWS, Rows, lines, values

MAX_CELL_CHARS: Final = 10_000_000  # an unclosed quote would otherwise take the rest of the file for one cell

csv.field_size_limit(MAX_CELL_CHARS)


def open_rows(path: Path) -> Rows:
    records = _records(path)
    _, header = next(records, (0, None))
    if header is None:
        raise DataError(f"{path} is empty")
    schema = pa.schema([(name, pa.string()) for name in header])
    count = sum(1 for _ in records)
    return Rows(path, schema, count, lambda wanted: _read(path, header, wanted))


def _read(path: Path, header: list[str], wanted: pa.Schema) -> Iterator[pa.Table]:
    records = islice(_records(path), 1, None)
    places = [header.index(name) for name in wanted.names]
    while chunk := [record for _, record in islice(records, CHUNK_ROWS)]:
        cells = [pa.array([record[place] for record in chunk], pa.string()) for place in places]
        yield pa.Table.from_arrays(cells, schema=wanted)


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The line that each record begins in, and its cells: as many as the header has. Blank lines are left out."""
    reader = csv.reader(lines(path), strict=True)
    width, begins = 0, 1
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(f"{path}: line {begins} is not valid CSV: {error}") from None
        if record:
            width = width or len(record)
            if len(record) != width:
                raise DataError(f"{path}: line {begins} has {len(record)} cells, the header has {width}")
            yield begins, record
        begins = reader.line_num + 1


class Writer:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(schema.names)

    def write(self, table: pa.Table) -> None:
        columns = [[_cell(value) for value in values(column)] for column in table.columns]
        self._writer.writerows(zip(*columns, strict=True))

    def close(self) -> None:
        self._file.close()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else value
