"""Parquet: the schema stays as it is."""

from collections.abc import Iterator
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from overheard.errors import DataError
from overheard.rows.base import CHUNK_CHARS, CHUNK_ROWS, Rows, Source

ROW_GROUP_ROWS: Final = 65_536
ROW_GROUP_BYTES: Final = 64_000_000


def open_rows(source: Source) -> Rows:
    try:
        file = pq.ParquetFile(source.path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source.name} is not a Parquet file that can be read: {_first_line(error)}") from error
    with file:
        return Rows(source, file.schema_arrow, file.metadata.num_rows, lambda wanted: _read(source, wanted))


def _read(source: Source, wanted: pa.Schema) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(source.path, buffer_size=1 << 20, pre_buffer=False) as file:
            for batch in file.iter_batches(_batch_rows(file.metadata), columns=wanted.names):
                batch.validate(full=True)  # other programs may have written texts that are no UTF-8
                yield pa.Table.from_batches([batch]).select(wanted.names)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source.name} is damaged: {_first_line(error)}") from error


def _batch_rows(metadata: pq.FileMetaData) -> int:
    """Fewer than CHUNK_ROWS where rows are so long that a chunk would not fit in memory."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    row_bytes = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1)
    return int(min(CHUNK_ROWS, max(1, CHUNK_CHARS // max(1, row_bytes))))


class Writer:
    """Gathers chunks into row groups of a size that reads well."""

    def __init__(self, sink: BinaryIO, schema: pa.Schema) -> None:
        self._sink = sink
        self._writer = pq.ParquetWriter(sink, schema)
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
        self._sink.close()

    def _flush(self) -> None:
        self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting = []


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
