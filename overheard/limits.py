"""What one call of the API may carry: the API refuses more, its clients send no more."""

from typing import Final

MAX_BODY_BYTES: Final = 10_000_000
MAX_MESSAGES: Final = 10_000
MAX_MESSAGE_CHARS: Final = 25_000
"""X's longest post. Models read far less of a text: what is cut off decides nothing."""
