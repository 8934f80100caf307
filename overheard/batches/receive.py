"""An uploaded file becomes a job: checked from end to end, then cut into parts, a chunk per transaction."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy.exc import DBAPIError

from overheard.disk import require_room
from overheard.errors import DataError, NoRoom
from overheard.limits import MAX_MESSAGE_CHARS
from overheard.rows import Rows, open_upload, texts
from overheard.rows.scored import require_free
from overheard.settings import Settings
from overheard.store import batches, jobs, parts
from overheard.store.batches import NewPart, Rejects, Upload
from overheard.store.database import Database, is_full


def receive(database: Database, settings: Settings, path: Path, upload: Upload) -> str:
    """The id of a queued job over the rows that can be used. Nothing is left behind when this fails.

    Raises DataError when the file can't be used as a whole, NoRoom, NotFound when this took so long that the job was
    taken for abandoned, and IntegrityError when the upload's idempotency key belongs to a job already.
    """
    rejects = Rejects()
    rows = open_upload(path, upload.filename, upload.format, upload.text_column, rejects.add)
    if not rows.count:
        raise DataError(_useless(rows, rejects))
    require_free(rows, upload.prefix, "?prefix=")
    with database.write() as session:
        job = batches.begin(session, upload, rows.count, rejects, datetime.now(UTC), settings.lease_s)
    try:
        _store(database, settings, job.id, rows, upload.text_column)
    except BaseException as error:
        jobs.remove(database, job.id)
        if isinstance(error, DBAPIError) and is_full(error):
            raise NoRoom("the database is full: delete something, or give it more room") from error
        raise
    return job.id


def _useless(rows: Rows, rejects: Rejects) -> str:
    if not rejects.count:
        return f"{rows.name} has no rows"
    first = rejects.first[0]
    return f"{rows.name} has no row that can be used; line {first['line']} {first['reason']}"


def _store(database: Database, settings: Settings, job_id: str, rows: Rows, text_column: str) -> None:
    number = 0
    for chunk in rows.chunks():
        if database.engine.dialect.name == "sqlite":  # else it has a disk of its own
            require_room(settings)
        new = list(_cut(chunk, text_column))
        with database.write() as session:
            batches.add_parts(session, job_id, number, new, datetime.now(UTC), settings.lease_s)
        number += len(new)
    with database.write() as session:
        batches.complete(session, job_id, number, datetime.now(UTC), settings.lease_s)


def _cut(chunk: pa.Table, text_column: str) -> Iterator[NewPart]:
    """Parts of at most 1,000 rows that are scored in well under 2 s."""
    cells = [text and text[:MAX_MESSAGE_CHARS] for text in texts(chunk, text_column)]
    done = 0
    for part in parts.cut([cell or "" for cell in cells], batches.PART_ROWS):
        size = len(part)
        has_text = [cell for cell in cells[done : done + size] if cell is not None]
        yield NewPart(size, has_text, packed(chunk.slice(done, size)))
        done += size


def packed(table: pa.Table) -> bytes:
    """The table as an Arrow stream, compressed."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    content: Any = sink.getvalue()
    return bytes(content.to_pybytes())


def unpacked(content: bytes) -> pa.Table:
    with pa.ipc.open_stream(content) as reader:
        return reader.read_all()
