"""Folders that are written whole or not at all."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(out: Path) -> Iterator[Path]:
    """An empty folder beside `out`, which takes its place when all went well, replacing what was there."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        draft = Path(scratch) / "draft"
        draft.mkdir()
        yield draft
        if out.exists():
            out.rename(Path(scratch) / "replaced")
        draft.rename(out)
