"""Where posts come from: one file per platform, all through the same door, which is open to others' own.

An installed package adds a platform with an entry point of the group `overheard.collectors`: its name is the source's,
its value a class that keeps the promises of `overheard.collectors.base.Collector`.
"""

from importlib import import_module
from importlib.metadata import entry_points
from typing import Final, cast

from overheard.collectors.base import Collector
from overheard.collectors.guarded import guarded
from overheard.errors import DataError
from overheard.settings import Settings

GROUP: Final = "overheard.collectors"
OURS: Final = {
    "x": "x:X",
    "rss": "rss:Rss",
    "file": "file:File",
    "mastodon": "mastodon:Mastodon",
    "hn": "hn:HackerNews",
    "bluesky": "bluesky:Bluesky",
}
PUSHED: Final = "webhook"
"""The source whose posts come by themselves: nothing collects them."""


def sources() -> tuple[str, ...]:
    """Names of all sources that can be collected from, ours first."""
    return (*OURS, *sorted({entry.name for entry in entry_points(group=GROUP)} - set(OURS)))


def collector(source: str, settings: Settings) -> Collector:
    """Kept to where feeds may be read from. Raises DataError for a source that nobody collects from."""
    if source in OURS:
        module, _, name = OURS[source].partition(":")
        found = getattr(import_module(f"{__name__}.{module}"), name)
    elif entries := entry_points(group=GROUP, name=source):
        found = next(iter(entries)).load()
    else:
        raise DataError(f"no source {source!r}: there are {', '.join((*sources(), PUSHED))}")
    return guarded(cast(Collector, found(settings)), settings)
