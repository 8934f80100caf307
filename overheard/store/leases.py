"""When a lease no longer holds: it has passed, or it ends so far away that a clock must have been wrong."""

from datetime import datetime, timedelta
from typing import Any, Final

LONGEST: Final = timedelta(minutes=15)
"""No lease is longer. Without this, what was leased while a clock was an hour ahead would wait for an hour."""


def has_ended(until: Any, now: datetime) -> Any:
    """Of a time, or of a column of times, for which there has to be one."""
    return (until < now) | (until > now + LONGEST)
