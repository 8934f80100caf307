"""A table on the terminal; where there is none, as wide as its contents, so that no cell is cut."""

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.table import Table

PIPED_WIDTH: Final = 400


def show_table(table: "Table") -> None:
    from rich.console import Console

    Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH).print(table)
