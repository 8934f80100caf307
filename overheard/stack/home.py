"""The state folder: its parts, its private files, and the lock that keeps a second stack out."""

import fcntl
import json
import os
import tempfile
from pathlib import Path
from typing import IO, Any

import psutil  # type: ignore[import-untyped]

from overheard.errors import StackError

FOLDERS = ("logs", "mlartifacts", "redis", "run")


def prepare(home: Path) -> None:
    """Make the state folder and its parts. Raises StackError naming what can't be a writable folder, and why."""
    for folder in (home, *(home / name for name in FOLDERS)):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            reason = "it is a file" if folder.is_file() else error.strerror
            raise StackError(
                f"state folder {folder} can't be used ({reason}): "
                "make it a folder that you may write to, or set OVERHEARD_HOME to another"
            ) from error


def write_private(path: Path, text: str) -> None:
    """Replace `path` at once, so that nobody reads half of it, and let nobody else read it. Raises StackError."""
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        draft.replace(path)
    except OSError as error:
        raise StackError(f"{path} can't be written ({error.strerror}): mend that, or move it away") from error


def log_file(home: Path, name: str) -> Path:
    return home / "logs" / f"{name}.log"


def tail(log: Path, lines: int) -> str:
    """The last lines of a log; empty when there is none."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def read_json(path: Path) -> dict[str, Any]:
    """What `path` holds; empty when it is missing or damaged."""
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


class Lock:
    """One stack per state folder. The kernel keeps the lock while any process holds `file`, and drops it at its death.

    `up` hands `file` to supervisord too, so that a stack whose `up` was killed still keeps a second one out.
    """

    def __init__(self, home: Path) -> None:
        """Raises StackError when the lock file can't be opened."""
        self.path = home / "up.lock"
        try:
            self.file: IO[str] = self.path.open("a+")
        except OSError as error:
            raise StackError(f"{self.path} can't be opened ({error.strerror}): mend that, or delete it") from error

    def take(self) -> bool:
        """Whether the lock is ours now; the file then names this process."""
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        me = psutil.Process()
        self.file.truncate(0)
        self.file.write(json.dumps({"pid": me.pid, "created": me.create_time()}))
        self.file.flush()
        return True

    def holder(self) -> psutil.Process | None:
        """The `up` that took the lock last, if it still lives (a pid alone could by now be somebody else's)."""
        noted = read_json(self.path)
        try:
            process = psutil.Process(noted["pid"])
            return process if process.create_time() == noted["created"] else None
        except (KeyError, psutil.NoSuchProcess):
            return None

    def release(self) -> None:
        self.file.close()
