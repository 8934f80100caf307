"""`python -m overheard.stack.supervisord`: supervisord, which outlives a full disk.

What it can't write to its log it says on its standard error, and ends when it can't say that either.
"""

import sys
from contextlib import suppress
from typing import TextIO

from supervisor.supervisord import main


class Forgiving:
    """A stream on which nothing has to be written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


if __name__ == "__main__":
    sys.stdout = Forgiving(sys.stdout)
    sys.stderr = Forgiving(sys.stderr)
    main()
