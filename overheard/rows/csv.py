"""CSV: a header, then cells that stay the texts they are, save for those that a spreadsheet would run as formulas."""

import csv
import io
import json
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO, Final

import pyarrow as pa

from overheard.errors import DataError
from overheard.rows.base import Line, Rows, Source, chunked, lines, values
from overheard.sheets import harmless

MAX_CELL_CHARS: Final = 10_000_000  # an unclosed quote would otherwise take the rest of the file for one cell

csv.field_size_limit(MAX_CELL_CHARS)


def open_rows(source: Source) -> Rows:
    records = _records(source)
    header = next(records, None)
    if header is None:
        raise DataError(f"{source.name} is empty")
    schema = pa.schema([(name, pa.string()) for name in header])
    count = sum(1 for _ in records)
    return Rows(source, schema, count, lambda wanted: _read(source.again(), header, wanted))


def _read(source: Source, header: list[str], wanted: pa.Schema) -> Iterator[pa.Table]:
    records = islice(_records(source), 1, None)
    places = [header.index(name) for name in wanted.names]
    for chunk in chunked((sum(map(len, record)), record) for record in records):
        cells = [pa.array([record[place] for record in chunk], pa.string()) for place in places]
        yield pa.Table.from_arrays(cells, schema=wanted)


def _records(source: Source) -> Iterator[list[str]]:
    """The header and the records: as many cells each as the header has. Blank lines are left out."""
    ahead = _Lines(source)
    reader = csv.reader(ahead, strict=True)
    width = 0
    while True:
        begins = ahead.mark()
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            record, flaw = [], ahead.flaw or f"is not valid CSV: {error}"
            ahead.rewind()
        else:
            flaw = ahead.flaw
            if not flaw and width and record and len(record) != width:
                flaw = f"has {len(record)} cells, the header has {width}"
        if flaw and not width:
            raise DataError(f"{source.name}: line {begins} {flaw}")
        if flaw:
            source.reject(begins, flaw)
        elif record:
            width = width or len(record)
            yield record


class _Lines:
    """Lines for csv.reader, which joins several to a record; those after the first can be given out once more.

    So a quote that is never closed costs the line that it is in, and not all lines up to the next quote.
    """

    def __init__(self, source: Source) -> None:
        self._lines = lines(source)
        self._again: deque[Line] = deque()
        self._taken: list[Line] = []
        self._number = 1  # of the line that comes next
        self.flaw = ""  # of a line taken since the mark

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._taken.append(line)
        self._number += 1
        self.flaw = self.flaw or line.flaw
        return line.text

    def mark(self) -> int:
        """A record begins with the next line, whose number this is."""
        self._taken.clear()
        self.flaw = ""
        return self._number

    def rewind(self) -> None:
        """To the line after the mark."""
        self._again.extendleft(reversed(self._taken[1:]))
        self._number -= len(self._taken[1:])


class Writer:
    def __init__(self, sink: BinaryIO, schema: pa.Schema) -> None:
        self._file = io.TextIOWrapper(sink, encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._quoting = csv.writer(self._file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        self._writer.writerow(map(harmless, schema.names))

    def write(self, table: pa.Table) -> None:
        columns = [[_cell(value) for value in values(column)] for column in table.columns]
        for row in zip(*columns, strict=True):
            has_return = any(isinstance(cell, str) and "\r" in cell for cell in row)
            (self._quoting if has_return else self._writer).writerow(row)  # csv leaves a lone one without its quotes

    def close(self) -> None:
        self._file.close()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return harmless(value)
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else value
