"""Ctrl-C, SIGTERM and a closed terminal, noticed at moments of our choosing."""

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

HURRY_AFTER_S = 1.0  # tools that end a process group often send the same signal twice in a row


class Stopped(Exception):
    """Raised when the stack was asked to stop while it was starting."""


class StopSignals:
    """While entered, a signal to stop is remembered instead of breaking in anywhere."""

    def __init__(self) -> None:
        self.first_at: float | None = None
        self.hurry = False  # Ctrl-C was pressed again
        self._breaks_in = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        os.set_blocking(self._read_end, False)
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number is signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup: it is meant to outlive its terminal
            self._before[number] = signal.signal(number, self._notice)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        os.close(self._read_end)
        os.close(self._write_end)

    @property
    def asked(self) -> bool:
        return self.first_at is not None

    def wait(self, seconds: float) -> None:
        """Sleep; any signal ends the sleep."""
        if select.select([self._read_end], [], [], seconds)[0]:
            os.read(self._read_end, 1024)

    def pause(self, seconds: float) -> None:
        """Sleep. Raises Stopped when stopping was asked for, before or meanwhile."""
        if not self.asked:
            self.wait(seconds)
        if self.asked:
            raise Stopped

    @contextmanager
    def breaking_in(self) -> Iterator[None]:
        """For calls that may take long: a signal to stop raises Stopped in the middle of them."""
        self.pause(0)
        self._breaks_in = True
        try:
            yield
        finally:
            self._breaks_in = False

    def _notice(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.first_at is None:
            self.first_at = now
        elif number == signal.SIGINT and now - self.first_at > HURRY_AFTER_S:
            self.hurry = True
        if self._breaks_in:
            self._breaks_in = False
            raise Stopped
