"""Gives the starter its reference: `python -m overheard.training.add_reference --data FILE --bundle DIR`.

For a bundle that was made before bundles had one, of the rows that it was made of. Nothing else of it changes, and its
version stays.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from overheard.errors import DataError, OverheardError
from overheard.scoring.bundle import REFERENCE, Manifest, load_manifest, write_manifest
from overheard.scoring.onnx import OnnxEngine
from overheard.training.data import Rows, load_rows
from overheard.training.starter import HELD_OUT_SHARE, reference_of


def add_reference(bundle: Path, rows: Rows) -> Manifest:
    """Write the bundle's reference and its manifest anew. Raises DataError when it was not made of these rows."""
    manifest = load_manifest(bundle)
    if manifest.seed is None or rows.content_hash() != manifest.data_hash:
        raise DataError(f"{bundle} was not made of these rows: their hash is not its manifest's")
    kept, held_out = rows.split(HELD_OUT_SHARE, manifest.seed)
    classes = OnnxEngine(bundle, threads=0).score(held_out.texts).argmax(axis=1).tolist()
    (bundle / REFERENCE).write_bytes(reference_of(bundle, kept, classes))
    return write_manifest(bundle, manifest.model_dump(exclude={"version", "files"}))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns its exit status: 0, or 1 when something that it was given can't be used."""
    parser = argparse.ArgumentParser(prog="python -m overheard.training.add_reference", description=__doc__)
    parser.add_argument("--data", required=True, help="the rows that the bundle was made of")
    parser.add_argument("--bundle", required=True, type=Path, help="directory of the bundle")
    options = parser.parse_args(arguments)
    try:
        manifest = add_reference(options.bundle, load_rows(options.data))
    except OverheardError as error:
        typer.echo(error, err=True)
        return 1
    typer.echo(f"{manifest.version}: {REFERENCE}, {manifest.files[REFERENCE].size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
