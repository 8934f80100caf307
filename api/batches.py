"""Files on their way in and out. What reads and writes rows is a process of its own: this one stays small and awake."""

import errno
import hashlib
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import IO, BinaryIO, cast

from flask import Request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnprocessableEntity, UnsupportedMediaType
from werkzeug.formparser import MultiPartParser

from overheard.disk import require_room
from overheard.errors import DataError, NoRoom, ScoringUnavailable
from overheard.formats import MEDIA_TYPES, SUFFIXES, Format, format_of
from overheard.settings import Settings
from overheard.store.batches import Upload

PIECE_BYTES = 1 << 16
LOOK_EVERY_BYTES = 1 << 23
COMMAND = (sys.executable, "-m", "overheard.batches")
IN_FORM = "multipart/form-data"
MAX_FIELD_BYTES, MAX_FIELDS, MAX_NAME_CHARS = 100_000, 20, 200
PROBLEMS: dict[str, type[Exception]] = {kind.__name__: kind for kind in (DataError, NoRoom)}
AGAIN_S = 5
AGAIN = {
    "NotFound": "receiving the file took so long that it was taken for abandoned: send it again",
    "OperationalError": "the database does not answer",
}
"""Errors of a receiver that say nothing about the file."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Spooled:
    """A file that has arrived. It has no name on disk, so it is gone when it is closed, or this process dies."""

    file: BinaryIO
    filename: str
    format: Format

    def sha256(self) -> str:
        self.file.seek(0)
        return hashlib.file_digest(self.file, "sha256").hexdigest()  # type: ignore[arg-type]

    def close(self) -> None:
        self.file.close()


class ChildDied(RuntimeError):
    """Raised when the process that reads or writes rows was killed, or broke down."""


def spool(request: Request, settings: Settings) -> Spooled:
    """The request's file, whole, on disk.

    Raises NoRoom; RequestEntityTooLarge, UnsupportedMediaType, BadRequest for a body that is cut off.
    """
    most = settings.max_upload_bytes
    too_large = RequestEntityTooLarge(f"at most {most:,} bytes: cut the file, or raise OVERHEARD_MAX_UPLOAD_BYTES")
    length = request.content_length or 0
    if length > most:
        raise too_large
    if request.mimetype != IN_FORM and request.mimetype not in MEDIA_TYPES:
        raise UnsupportedMediaType(f"send one of {', '.join(MEDIA_TYPES)}, or {IN_FORM} with the field `file`")
    settings.home.mkdir(parents=True, exist_ok=True)
    require_room(settings, length)
    request.max_content_length = most
    try:
        stream = _Counted(request.stream, partial(require_room, settings))
        spooled = (_from_form if request.mimetype == IN_FORM else _from_body)(request, stream, settings.home)
        if stream.bytes_read < length:
            raise BadRequest(f"the connection ended after {stream.bytes_read:,} of {length:,} bytes")
    except RequestEntityTooLarge:
        raise too_large from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoom(f"the disk of {settings.home} is full") from error
        raise BadRequest("the connection ended before the file did") from error
    return spooled


class _Counted:
    """A stream that ends early does so without a word, so what came is counted. look: at the disk, now and then."""

    def __init__(self, stream: IO[bytes], look: Callable[[], None]) -> None:
        self._stream, self._look = stream, look
        self.bytes_read = 0

    def read(self, size: int) -> bytes:
        piece = self._stream.read(size)
        before, self.bytes_read = self.bytes_read, self.bytes_read + len(piece)
        if before // LOOK_EVERY_BYTES != self.bytes_read // LOOK_EVERY_BYTES:
            self._look()
        return piece


def _from_body(request: Request, stream: _Counted, folder: Path) -> Spooled:
    kind = MEDIA_TYPES[request.mimetype]
    file = _nameless(folder)
    while piece := stream.read(PIECE_BYTES):
        file.write(piece)
    file.flush()
    return Spooled(file, f"upload.{kind}", kind)


def _from_form(request: Request, stream: _Counted, folder: Path) -> Spooled:
    def make(*_: object, **__: object) -> IO[bytes]:
        return _nameless(folder)

    parser = MultiPartParser(make, MAX_FIELD_BYTES, max_form_parts=MAX_FIELDS)
    try:
        boundary = request.mimetype_params.get("boundary", "").encode()
        _, files = parser.parse(cast(IO[bytes], stream), boundary, request.content_length)
    except ValueError as error:
        raise BadRequest(f"this is no whole form: {error}") from None
    if (part := files.get("file")) is None:
        raise UnprocessableEntity("the form has no file in its field `file`")
    name = PurePosixPath((part.filename or "").replace("\\", "/")).name
    kind = format_of(name) or MEDIA_TYPES.get(part.mimetype)
    if kind is None:
        raise UnsupportedMediaType(f"{name or 'the file'} is of no known format: name it {', '.join(SUFFIXES)}")
    part.stream.flush()
    return Spooled(cast(BinaryIO, part.stream), name[:MAX_NAME_CHARS] or f"upload.{kind}", kind)


def _nameless(folder: Path) -> BinaryIO:
    return cast(BinaryIO, TemporaryFile(dir=folder))


def receive(spooled: Spooled, upload: Upload, settings: Settings) -> str | None:
    """The id of the job that the file became; None when its idempotency key belongs to a job already.

    Raises DataError, NoRoom; ScoringUnavailable when it is nobody's fault and the same file may do next time.
    """
    number = spooled.file.fileno()
    order = {"receive": f"/proc/self/fd/{number}", "upload": asdict(upload)}
    try:
        with _child(order, settings, pass_fds=(number,)) as output:
            answer = json.loads(output.read() or "{}")
    except (ChildDied, BrokenPipeError) as error:
        log.error("%s was not received: %s", upload.filename, error)
        raise ScoringUnavailable("the process that received the file has died: send it again", AGAIN_S) from error
    if answer.get("error") == "IntegrityError":
        return None
    if answer.get("error") in AGAIN:
        raise ScoringUnavailable(AGAIN[answer["error"]], AGAIN_S)
    if "error" in answer:
        raise PROBLEMS.get(answer["error"], RuntimeError)(answer["detail"])
    return str(answer["job_id"])


def results(job_id: str, kind: Format, settings: Settings) -> Generator[bytes]:
    """The scored rows as they are written. Raises ChildDied when they end too early."""
    with _child({"results": job_id, "format": kind}, settings) as output:
        while piece := output.read1(PIECE_BYTES):
            yield piece


@contextmanager
def _child(order: Mapping[str, object], settings: Settings, pass_fds: Sequence[int] = ()) -> Iterator[BufferedReader]:
    """What a `python -m overheard.batches` writes. It ends with us, and is ended by leaving early."""
    child = subprocess.Popen(  # noqa: S603 - ours, and what it works on comes by its input
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=settings.environment(), pass_fds=pass_fds
    )
    orders, output = cast(IO[bytes], child.stdin), cast(BufferedReader, child.stdout)
    try:
        orders.write(json.dumps(order).encode() + b"\n")
        orders.flush()
        yield output
        if child.wait():
            raise ChildDied(f"{' '.join(COMMAND)} ended with {child.returncode}; the log has its words")
    finally:
        child.kill()
        child.wait()
        output.close()
        with suppress(BrokenPipeError):
            orders.close()
