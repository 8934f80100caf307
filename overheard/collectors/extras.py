"""Client libraries are an extra: an installation that reads no platform does without them."""

from collections.abc import Iterator
from contextlib import contextmanager

from overheard.errors import SettingsError


@contextmanager
def needed_by(source: str) -> Iterator[None]:
    """Around the import of a client library. Raises SettingsError, which says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise SettingsError(f"{source} needs the package {error.name}: pip install 'overheard[sources]'") from error
