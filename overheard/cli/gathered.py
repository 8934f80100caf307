"""Probabilities gathered so far, in a folder beside the output, so that a run that was cut off goes on."""

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from overheard.client import Scored
from overheard.errors import DataError
from overheard.limits import MAX_MESSAGE_CHARS
from overheard.rows import Rows

ROW_BYTES: Final = 3 * np.dtype(np.float32).itemsize


class Gathered:
    """The folder beside the output: probabilities of the first rows, and what they belong to. One process at a time."""

    def __init__(self, output: Path, console: Console) -> None:
        self._output, self._console = output, console
        self.folder = output.with_name(output.name + ".partial")
        self.draft = self.folder / f"output{output.suffix}"
        self.rows = 0
        self._job: dict[str, Any] = {}
        self._is_complete = False

    def __enter__(self) -> Self:
        self.folder.mkdir(exist_ok=True)
        self._lock = (self.folder / "lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise DataError(f"{self._output} is being written by another `overheard score`") from None
        self._file = (self.folder / "scores.f32").open("a+b")
        return self

    def __exit__(self, *_: object) -> None:
        """What was gathered stays for the next run; without any, or with the output complete, the folder goes."""
        self._file.close()
        if self._is_complete or not self.rows:
            shutil.rmtree(self.folder)
        else:
            self.draft.unlink(missing_ok=True)
            note = f"{self.rows:,} rows are kept in {self.folder}: the same command goes on from there"
            self._console.print(note, soft_wrap=True, markup=False)
        self._lock.close()

    @property
    def model(self) -> str | None:
        return self._job.get("model")

    def bind(self, rows: Rows, column: str) -> None:
        """Keep what an earlier run gathered from the same input in the same way, save the last row: to ask for it again
        tells whether the model is still the same. Anything else is dropped.
        """
        wanted = {"input": rows.fingerprint(), "column": column, "max_chars": MAX_MESSAGE_CHARS}
        found = self._file.seek(0, os.SEEK_END) // ROW_BYTES
        self._job = _read_json(self.folder / "job.json")
        if found and wanted != {name: value for name, value in self._job.items() if name != "model"}:
            self._say("an earlier run into this output was of another input or column: starting anew")
            found = 0
        if not found:
            self._job = wanted
        self._cut(min(found, rows.count - 1))
        if self.rows:
            self._say(f"going on after {self.rows:,} rows of an earlier run")

    def takes(self, scored: Scored) -> bool:
        """Append; False, and nothing is kept, when another model scored what is here already."""
        if self.rows and scored.model != self.model:
            self._say(f"{self.rows:,} rows are of model {self.model}, the model is now {scored.model}: starting anew")
            self._cut(0)
            return False
        if not self.rows:
            self._job["model"] = scored.model
            _write_json(self.folder / "job.json", self._job)
        self._file.write(np.ascontiguousarray(scored.probabilities, np.float32).tobytes())
        self.rows += len(scored.probabilities)
        self._sync()
        return True

    def read(self, first: int, count: int) -> NDArray[np.float32]:
        """(count, 3) probabilities from row `first` on."""
        self._file.seek(first * ROW_BYTES)
        return np.frombuffer(self._file.read(count * ROW_BYTES), np.float32).reshape(-1, 3)

    def publish(self) -> None:
        """The draft is complete: give it its name."""
        with self.draft.open("rb") as file:
            os.fsync(file.fileno())
        self.draft.replace(self._output)
        self._is_complete = True

    def _cut(self, rows: int) -> None:
        self.rows = rows
        self._file.truncate(rows * ROW_BYTES)
        self._sync()

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, markup=False)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _write_json(path: Path, value: dict[str, Any]) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(value))
    draft.replace(path)
