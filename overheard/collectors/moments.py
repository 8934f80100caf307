"""Times as files and platforms write them."""

import re
from datetime import UTC, date, datetime, time
from email.utils import parsedate_to_datetime
from typing import Any, Final

_EPOCH: Final = re.compile(r"\d{9,13}(\.\d+)?")
_MILLISECONDS_FROM: Final = 1e11  # as seconds this is the year 5138


def moment_of(value: Any) -> datetime | None:
    """A time in UTC; without a zone it is taken for UTC. None for what is no time.

    Known are datetimes and dates, ISO 8601, the form of e-mails (RFC 5322), and seconds or milliseconds since 1970.
    """
    try:
        found = _parsed(value)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _parsed(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    text = str(value).strip()
    if _EPOCH.fullmatch(text):
        number = float(text)
        return datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS_FROM else number, UTC)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parsedate_to_datetime(text)
