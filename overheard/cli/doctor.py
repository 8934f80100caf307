"""`overheard doctor`."""

import typer

from overheard.settings import Settings


def doctor() -> None:
    """Check the installation and the state folder; say what is wrong and how to mend it. Exit status 1: a problem."""
    from rich.console import Console

    from overheard.stack import diagnosis

    if not diagnosis.show(Settings.load(), Console(highlight=False)):
        raise typer.Exit(1)
