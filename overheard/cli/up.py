"""`overheard up` and `overheard down`."""

from typing import Annotated

import typer

from overheard.settings import Settings
from overheard.stack.programs import Extra


def up(
    without: Annotated[list[Extra] | None, typer.Option(help="Leave this program out; may be given twice.")] = None,
    no_demo: Annotated[bool, typer.Option("--no-demo", help="Neither score nor keep the demo posts.")] = False,
) -> None:
    """Start everything on this machine, show the demo, and run until Ctrl-C."""
    from overheard.stack import life
    from overheard.stack.report import Report

    life.up(Settings.load(), set(without or ()), not no_demo, Report())


def down() -> None:
    """Stop the stack of this state folder, however it was started."""
    from overheard.stack import life
    from overheard.stack.report import Report

    life.down(Settings.load(), Report())
