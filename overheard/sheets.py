"""CSV that people open in a spreadsheet: no cell of it is run."""

import csv
import io
from collections.abc import Iterable
from typing import Final

FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
"""With one of these a spreadsheet takes a cell for a formula. Source: OWASP, CSV injection."""


def line(cells: Iterable[object]) -> str:
    """A row of a CSV file (RFC 4180), with its end. Texts that begin like a formula get an apostrophe before them."""
    written = io.StringIO()
    csv.writer(written).writerow([_harmless(cell) if isinstance(cell, str) else cell for cell in cells])
    return written.getvalue()


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULAS) else text
