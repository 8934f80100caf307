"""What a collector is: asked for a feed's news, it yields pages; each page says where the next inspection goes on.

Nothing here is stored. The caller keeps a page's posts and its cursor in one transaction, so a collector that is killed
at any line is simply asked again with the last cursor: what comes twice is recognised by its id, and nothing is lost.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeAlias, runtime_checkable

from overheard.settings import Settings

Cursor: TypeAlias = dict[str, Any]
"""JSON that only its collector understands; {} before the first inspection."""


@dataclass(frozen=True)
class Topic:
    """What a feed listens for: any of `terms` (words or phrases), none of `excluded`, in one of `languages`.

    languages: ISO 639-1; none: any. From this a collector builds queries in its platform's syntax and length limits.
    """

    terms: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """What is read. target: what the platform needs beyond the topic (a URL, a path, an instance, or a query of the
    user's own), or empty; options: what else was said when the feed was added."""

    topic: Topic
    target: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Post:
    """A post as its platform gave it, text without markup.

    external_id: unique within the source, stable over edits. author: the platform's id of who wrote it, or empty; it is
    hashed before it is kept. posted_at: aware. language: ISO 639-1 or empty. reach: how often it was reposted.
    replies_to, quotes: external ids, or empty. edited_at: when its text was last changed. brands: names, where the
    source itself says whom it is about; else it counts for the feed's brand.
    """

    external_id: str
    text: str
    posted_at: datetime
    author: str = ""
    url: str = ""
    language: str = ""
    reach: int = 0
    replies_to: str = ""
    quotes: str = ""
    edited_at: datetime | None = None
    brands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Span:
    """A stretch of time, and why nothing is known of it."""

    since: datetime
    until: datetime
    reason: str


@dataclass(frozen=True)
class Page:
    """Some posts, in any order, and what else was learned.

    cursor: where to go on once these are kept. reposts: external id of a post -> its number of reposts as it is known
    now, for posts that may have been kept before. deleted: external ids that the platform says are gone. unread: what
    the next pages would bring; None says that all there was is read. lost: what the platform no longer gives.
    reads: how many posts the platform bills for this page. skipped: items that could not be read, and why.
    """

    posts: tuple[Post, ...]
    cursor: Cursor
    reposts: Mapping[str, int] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    unread: Span | None = None
    lost: Span | None = None
    reads: int = 0
    skipped: tuple[str, ...] = ()


class Collector(Protocol):
    """One platform. `source` is its name in the database, in feeds (`source` or `source:target`) and in settings."""

    source: str

    def __init__(self, settings: Settings) -> None:
        """Cheap: no connection, no import of a client library. Raises nothing, even where a key is missing."""

    def check(self, asked: Asked) -> None:
        """Whether this could be read at all. Raises DataError (what to change) or SettingsError (which to set)."""

    def read(self, asked: Asked, cursor: Cursor, now: datetime, reads: int | None) -> Iterator[Page]:
        """All that is new since `cursor`, page by page; the last page has `unread` None. "No new posts" is one page
        without posts. reads: how many posts may be billed, where they are; no further request is made when they are
        used up.

        Raises SourceBusy, SourceRefused, SourceDown, SettingsError; the pages that were yielded before stay valid.
        """


@runtime_checkable
@runtime_checkable
class Lookup(Protocol):
    """What some collectors can do as well: tell which posts a platform no longer has."""

    def gone(self, ids: Sequence[str], now: datetime) -> set[str]:
        """External ids among these that were deleted or made private. Where reads are billed, the others are.

        Raises what `Collector.read` raises.
        """
