"""Figures in the docs stand between two markers and are put there by the tool that measured them, never by hand."""

import re
from pathlib import Path


def fill(page: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`. Raises ValueError without these."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before = page.read_text()
    if not re.search(f"{re.escape(begin)}.*{re.escape(end)}", before, re.DOTALL):
        raise ValueError(f"{page} has no {begin} … {end}")
    head, _, rest = before.partition(begin)
    page.write_text(f"{head}{begin}\n\n{text.strip()}\n\n{end}{rest.partition(end)[2]}")
