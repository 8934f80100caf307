"""What `up` and `down` say: a line per event, and on a terminal a spinner for what is under way."""

from contextlib import suppress

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.status import Status


class Report:
    """Never fails: a stack outlives the terminal or the pipe that it reports to."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._status: Status | None = None

    def line(self, text: str, style: str = "") -> None:
        self.show(f"[{style}]{escape(text)}[/]" if style else escape(text))

    def show(self, what: RenderableType) -> None:
        with suppress(OSError, SystemExit):  # rich turns a broken pipe into SystemExit
            self.console.print(what)

    def working(self, text: str) -> None:
        """What is under way; an empty text: nothing is."""
        with suppress(OSError, SystemExit):
            if self._status and text:
                self._status.update(escape(text))
            elif self._status:
                self._status.stop()
                self._status = None
            elif text and self.console.is_terminal:
                self._status = self.console.status(escape(text))
                self._status.start()
