"""A collector that reads from the open internet alone, and inside of it only where an operator said so.

While it reads, `overheard.reach` looks at each connection of its thread, whatever client library makes it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from ipaddress import ip_address
from typing import Final, cast
from urllib.parse import urlsplit

from overheard.collectors.base import Asked, Collector, Cursor, Lookup, Page
from overheard.errors import DataError, SourceRefused
from overheard.reach import Reach, bound
from overheard.settings import PREFIX, Settings

SETTING: Final = f"{PREFIX}FEED_HOSTS"
ADVICE: Final = "or give the feed another address"


def guarded(collector: Collector, settings: Settings) -> Collector:
    """Where a setting says which server a platform has, that was an operator's word, too."""
    own = str(getattr(settings, f"{collector.source}_url", ""))
    hosts = ",".join(filter(None, (settings.feed_hosts, urlsplit(own).hostname)))
    kind = _GuardedLookup if isinstance(collector, Lookup) else _Guarded
    return kind(collector, Reach.of(hosts, SETTING))


class _Guarded:
    def __init__(self, collector: Collector, reach: Reach) -> None:
        self._collector, self._reach = collector, reach
        self.source = collector.source

    def check(self, asked: Asked) -> None:
        self._collector.check(asked)
        if (host := _numbered(asked.target)) and not self._reach.has(host):
            raise DataError(self._reach.refusal(host))

    def read(self, asked: Asked, cursor: Cursor, now: datetime, reads: int | None) -> Iterator[Page]:
        pages = iter(self._collector.read(asked, cursor, now, reads))
        try:
            while True:
                with self._bound():
                    page = next(pages, None)
                if page is None:
                    return
                yield page  # what whoever keeps it connects to is no business of ours
        finally:
            getattr(pages, "close", lambda: None)()

    @contextmanager
    def _bound(self) -> Iterator[None]:
        with bound(self._reach) as here:
            try:
                yield
            except Exception as error:
                if here.refused:  # client libraries make other errors of it
                    raise SourceRefused(self.source, here.refused, ADVICE) from error
                raise


class _GuardedLookup(_Guarded):
    def gone(self, ids: Sequence[str], now: datetime) -> set[str]:
        with self._bound():
            return cast(Lookup, self._collector).gone(ids, now)


def _numbered(target: str) -> str:
    """The host of an address that needs no looking up: for others an inspection tells."""
    try:
        host = urlsplit(target).hostname or ""
    except ValueError:
        return ""
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ip_address(host))
    except ValueError:
        return ""
