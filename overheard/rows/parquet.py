"""Parquet: the schema stays as it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from overheard.errors import DataError
from overheard.rows.base import CHUNK_ROWS, Rows

ROW_GROUP_ROWS: Final = 65_536
ROW_GROUP_BYTES: Final = 64_000_000


def open_rows(path: Path) -> Rows:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a Parquet file that can be read: {_first_line(error)}") from error
    with file:
        return Rows(path, file.schema_arrow, file.metadata.num_rows, lambda wanted: _read(path, wanted))


def _read(path: Path, wanted: pa.Schema) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
            for batch in file.iter_batches(CHUNK_ROWS, columns=wanted.names):
                yield pa.Table.from_batches([batch]).select(wanted.names)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is damaged: {_first_line(error)}") from error


class Writer:
    """Gathers chunks into row groups of a size that reads well."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema)
        self._schema = schema
        self._waiting: list[pa.Table] = []

    def write(self, table: pa.Table) -> None:
        self._waiting.append(table.cast(self._schema))
        rows, size = sum(t.num_rows for t in self._waiting), sum(t.nbytes for t in self._waiting)
        if rows >= ROW_GROUP_ROWS or size >= ROW_GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        if self._waiting:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting = []


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
