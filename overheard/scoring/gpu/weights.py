"""Where a bundle's weights in floats are."""

import tempfile
from pathlib import Path
from typing import Final

from overheard.errors import SettingsError
from overheard.scoring.bundle import Manifest

WEIGHTS: Final = "model.safetensors"
CONFIG: Final = "config.json"


def float_weights(bundle: Path, manifest: Manifest, cache: Path) -> Path:
    """A directory with model.safetensors and config.json: the bundle, else what is rebuilt once of its int8 graph.

    cache: the folder that keeps it, by the bundle's version, whole or not at all. Raises BundleError when the graph
    holds no weights, SettingsError when what rebuilding needs isn't installed.
    """
    if manifest.files.keys() >= {WEIGHTS, CONFIG}:
        return bundle
    rebuilt = cache / f"{manifest.version}-float"
    if rebuilt.is_dir():
        return rebuilt
    try:
        from overheard.training.dequantise import dequantise
    except ImportError as error:
        reason = f"the model's weights must be rebuilt once, and {error.name} is missing: install overheard[train]"
        raise SettingsError(reason) from error
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=f".{rebuilt.name}-") as scratch:
        draft = Path(scratch) / "draft"
        dequantise(bundle, draft)
        try:
            draft.rename(rebuilt)
        except OSError:
            if not rebuilt.is_dir():  # else another process was there first, with the same
                raise
    return rebuilt
