"""What an address says about where it leads."""

from urllib.parse import urlsplit


def is_loopback(url: str) -> bool:
    """Whether a proxy has no business with it."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host in ("localhost", "::1") or host.startswith("127.")
