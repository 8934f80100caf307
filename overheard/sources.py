"""What people write where a feed is named: `x`, `rss:https://…`, `file:posts.csv?text=body`, `webhook:shop`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from overheard.collectors import OURS, PUSHED, collector
from overheard.collectors.base import Asked, Topic
from overheard.errors import DataError, SettingsError
from overheard.settings import Settings

FILE: Final = "file"
ADDRESSED: Final = ("rss", "mastodon")
WITH_OPTIONS: Final = ("rss", "mastodon", "hn", "bluesky")
MAX_BYTES: Final = 2000
"""PostgreSQL indexes a target up to 2,704 bytes."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_HOOK: Final = re.compile(r"[A-Za-z][\w.-]{0,63}", re.ASCII)


@dataclass(frozen=True)
class Source:
    """The three parts of `overheard.collectors.base.Asked` that a person writes. `str()` gives their one form."""

    source: str
    target: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_pushed(self) -> bool:
        """Whether its posts come by themselves."""
        return self.source == PUSHED

    @property
    def reads_files(self) -> bool:
        """Whether a worker reads a file of its machine for it."""
        return self.source == FILE

    def anchored(self, folder: Path) -> "Source":
        """With a relative path taken from `folder`."""
        return replace(self, target=str((folder / self.target).resolve())) if self.reads_files else self

    def __str__(self) -> str:
        named = self.source + (f":{self.target}" if self.target else "")
        if self.reads_files:
            options = urlencode(sorted(self.options.items()), quote_via=quote)
            return named + (f"?{options}" if options or "?" in self.target else "")
        return " ".join((named, *(f"{name}={value}" for name, value in sorted(self.options.items()))))


def parse(text: str) -> Source:
    """Options: `file:PATH?text=COLUMN&id=COLUMN` (a path that holds a `?` itself ends in one), `hn since_days=30`.

    Whether the source exists and takes such a target, its collector says. Raises ValueError: what is wrong.
    """
    said, options = _options(text.strip())
    source, _, target = said.partition(":")
    source, target = source.strip().lower(), target.strip()
    if not _NAME.fullmatch(source):
        raise ValueError(f"{text!r} is no source: write x, rss:https://…, file:posts.csv, webhook:NAME")
    if len(target.encode("utf-8", "replace")) > MAX_BYTES:
        raise ValueError(f"what follows {source}: is longer than {MAX_BYTES:,} bytes")
    if any(not (letter.isprintable() or letter in "\u200c\u200d") for letter in target):
        raise ValueError(f"what follows {source}: holds control characters")
    if source == FILE:
        return _file(target)
    if source == PUSHED and not _HOOK.fullmatch(target):
        raise ValueError(f"{text!r}: a webhook has a name of at most 64 letters, digits, `_`, `.`, `-`: webhook:shop")
    return Source(source, _address(target) if source in ADDRESSED and target else target, options)


def _options(text: str) -> tuple[str, dict[str, str]]:
    """What is named, and the `key=value` words after it, which nothing that is named so can hold itself."""
    named, *words = text.split() or [""]
    found = [re.fullmatch(r"([a-z_]+)=(\S+)", word) for word in words]
    if named.partition(":")[0].lower() not in WITH_OPTIONS or not all(found):
        return text, {}
    return named, {match[1]: match[2] for match in found if match}


def _file(target: str) -> Source:
    path, mark, rest = target.rpartition("?")
    if not mark:
        path, rest = target, ""
    if not path:
        raise ValueError("name a file: file:posts.csv")
    try:
        options = dict(parse_qsl(rest, keep_blank_values=True, strict_parsing=bool(rest)))
    except ValueError:
        raise ValueError(f"{rest!r} should be like text=body&id=tweet_id (a path that holds a ? ends in one)") from None
    return Source(FILE, path, options)


def _address(url: str) -> str:
    """The same for addresses that differ in nothing: scheme and host in small letters, no fragment."""
    parts = urlsplit(url)  # raises ValueError
    if "@" in parts.netloc:
        raise ValueError("leave user and password out of the address: it is stored and shown")
    address = parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower(), fragment="")
    return address._replace(path="" if address.path == "/" and not address.query else address.path).geturl()


def anchored(text: str, folder: Path) -> str:
    """In its one form, with a relative path taken from `folder`. Raises DataError for what names no source."""
    try:
        return str(parse(text).anchored(folder))
    except ValueError as error:
        raise DataError(str(error)) from None


def of_row(row: Any) -> Source:
    """Of whatever has `source`, `target` and `options`, as a row of `feeds` has."""
    return Source(row.source, row.target, row.options)


def check(said: Source, about: Topic, settings: Settings) -> None:
    """Whether posts could come from there at all. about: without terms where the posts say whom they are about.

    Raises DataError (what to change), SettingsError (what to set or to install).
    """
    if said.is_pushed:
        return
    if said.reads_files and not Path(said.target).is_absolute():
        raise DataError(f"{said}: name the file's whole path, from / on")
    if not about.terms and said.source in OURS and not said.reads_files:
        raise DataError(f"{said} needs a brand: its words are what is looked for")
    try:
        collector(said.source, settings).check(Asked(about, said.target, said.options))
    except ModuleNotFoundError as error:
        advice = f"{error.name} is not installed: pip install 'overheard[sources]'"
        raise SettingsError(f"{said.source}: {advice}") from error
