"""What the contract suite needs to know of a platform: a case is a local server (or file) and how to read it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from overheard.collectors import collector
from overheard.collectors.base import Asked, Collector, Topic
from overheard.settings import Settings
from tests.collectors.server import Reply, Request, Server

TERM = "acme"
"""All posts of the suite have this word; a feed of the suite listens for it."""


class Case(ABC):
    """One platform, fresh for each test. `self.now` is the platform's clock: a post is published at it, then it ticks.

    source: as in `overheard.collectors`. library: the client library, which importing the collector must not import.
    page: posts that a page of the platform holds here at most; None where it knows no pages.
    secrets: settings without which nothing can be read, and which must show nowhere. billed: whether reads cost.
    """

    source: ClassVar[str]
    library: ClassVar[str] = ""
    page: ClassVar[int | None] = None
    secrets: ClassVar[Mapping[str, str]] = {}
    billed: ClassVar[bool] = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def close(self) -> None:  # noqa: B027 - most have nothing to stop
        """Stop what was started."""

    def tick(self) -> datetime:
        """When the next post is published: two posts may share a second."""
        self.now += timedelta(seconds=0.4)
        return self.now

    def settle(self) -> None:
        """So much time passes that nothing can come late any more: some platforms are read a little way back again."""
        self.now += timedelta(hours=1)

    def asked(self) -> Asked:
        """A feed that finds all posts of the suite."""
        return Asked(Topic((TERM,)))

    def settings(self) -> Mapping[str, Any]:
        """Settings that lead to the server, beside the secrets."""
        return {}

    def collector(self, **settings: Any) -> Collector:
        """A new one, as after a restart; `settings` win."""
        near = {"feed_hosts": "127.0.0.1"}
        return collector(self.source, Settings(**{**near, **self.secrets, **self.settings(), **settings}))

    @abstractmethod
    def publish(self, *texts: str) -> list[str]:
        """New posts with these texts, encoded as the platform does it, the newest last: their external ids."""

    @abstractmethod
    def publish_broken(self) -> None:
        """An item beside the others that makes no sense."""


class OnlineCase(Case):
    """A platform that is reached by HTTP. refusals: what it says to a key that is wrong, revoked, or may not do this.

    nonsense: bodies, answered with 200, that the platform never sends.
    """

    refusals: ClassVar[tuple[Reply, ...]] = (Reply(401), Reply(403))
    nonsense: ClassVar[tuple[bytes, ...]] = (b"", b"<html>We'll be back", b"[]", b'{"data": 7}', b'"\xff"')

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.server = Server(self.answer)

    def close(self) -> None:
        self.server.close()

    @abstractmethod
    def answer(self, request: Request) -> Reply:
        """What the platform says when all is well."""

    @abstractmethod
    def rate_limit(self, until: datetime) -> Reply:
        """What it says to who asked too often and may ask again at `until`, a whole second."""
