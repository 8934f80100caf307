"""Room on the disk of the state folder: what comes from outside may not take the last of it."""

import shutil

from overheard.errors import NoRoom
from overheard.settings import Settings


def require_room(settings: Settings, more: int = 0) -> None:
    """That `more` bytes would leave as much free as is to be kept. Raises NoRoom."""
    free = shutil.disk_usage(settings.home).free
    if free - more < settings.keep_free_bytes:
        what = f"for {more:,} bytes " if more else ""
        kept = f"{settings.keep_free_bytes:,} are kept so (OVERHEARD_KEEP_FREE_BYTES)"
        raise NoRoom(f"no room {what}on the disk of the state folder: {free:,} bytes are free, and {kept}")
