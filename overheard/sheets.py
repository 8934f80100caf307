"""CSV that people open in a spreadsheet: no cell of it is run."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Final

FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
"""With one of these a spreadsheet takes a cell for a formula. Source: OWASP, CSV injection."""

_NUMBER: Final = re.compile(r"[+-]?\d[\d.,]*([eE][+-]?\d+)?", re.ASCII)


def line(cells: Iterable[object]) -> str:
    """A row of a CSV file (RFC 4180), with its end. Texts that begin like a formula get an apostrophe before them."""
    written = io.StringIO()
    csv.writer(written).writerow([harmless(cell) if isinstance(cell, str) else cell for cell in cells])
    return written.getvalue()


def harmless(text: str) -> str:
    """What is written of a text: the same, unless a spreadsheet would run it. A number is no formula, signed or not."""
    return f"'{text}" if text.startswith(FORMULAS) and not _NUMBER.fullmatch(text) else text
