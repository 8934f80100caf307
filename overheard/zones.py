"""The time zones that this machine knows."""

from functools import cache
from zoneinfo import available_timezones


@cache
def names() -> frozenset[str]:
    """Like Europe/Berlin. Asking anew takes a tenth of a second: it looks into every file."""
    return frozenset(available_timezones())
