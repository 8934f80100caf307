"""Which model is meant: names to bundle directories."""

from importlib.resources import files
from pathlib import Path

from overheard.errors import BundleError


def locate(model: str) -> Path:
    """The directory of a bundle: the bundled `starter`, or a directory. Raises BundleError when it isn't there."""
    directory = Path(str(files("overheard"))) / "starter" if model == "starter" else Path(model).expanduser()
    if not directory.is_dir():
        raise BundleError(directory, "not found; name a bundle's directory, or `starter`")
    return directory
