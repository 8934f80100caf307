"""Bundles that differ from the starter, made in a moment."""

import json
import shutil
from pathlib import Path

from overheard.registry import locate
from overheard.scoring.bundle import MANIFEST, Manifest, load_manifest, write_manifest

OWN = ("version", "files")


def another_starter(directory: Path, temperature: float) -> Manifest:
    """The starter with another temperature: another version, whose scores differ a little."""
    starter = locate("starter", Path())
    shutil.copytree(starter, directory)
    facts = json.loads((directory / MANIFEST).read_text())
    (directory / MANIFEST).unlink()
    write_manifest(directory, {**{k: v for k, v in facts.items() if k not in OWN}, "temperature": temperature})
    return load_manifest(directory)
