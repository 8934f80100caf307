"""A recorded stream, fed to a running stack as if it were live: through the same door as posts that are pushed."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from overheard import rows, webhooks
from overheard.calls import Calls
from overheard.errors import Conflict, DataError, ScoringUnavailable
from overheard.limits import MAX_MESSAGE_CHARS

FEED: Final = "replay"
AT_ONCE: Final = 1000
LATEST_S: Final = 1.0
"""At a given speed posts are sent at least so often."""
RETRIES_S: Final = (1, 3, 10, 30)
TIMES: Final = ("posted_at", "created_at")


@dataclass(frozen=True)
class Columns:
    """Names of columns; None: the first of the usual ones that is there, if any, but brand has none that is usual."""

    text: str = "text"
    id: str | None = None
    posted_at: str | None = None
    author: str | None = None
    brand: str | None = None


@dataclass(frozen=True)
class Recorded:
    """A post of the recording."""

    posted_at: datetime
    body: dict[str, Any]


@dataclass(frozen=True)
class Total:
    """What came of what was sent so far."""

    sent: int = 0
    new: int = 0
    known: int = 0
    mentions: int = 0

    def plus(self, sent: int, answer: dict[str, int]) -> "Total":
        return Total(
            self.sent + sent,
            self.new + answer["new"],
            self.known + answer["known"],
            self.mentions + answer["mentions"],
        )


def read(file: Path, columns: Columns, brand: str | None) -> list[Recorded]:
    """All posts in the order of their times; those without a text are left out. Raises DataError."""
    opened = rows.open_rows(file)
    opened.require_text(columns.text)
    found = _find(opened, columns)
    if (brand is None) == (found["brand"] is None):
        raise DataError(f"{file}: name the brand, or the column that holds it: --brand NAME, or --brand-column COLUMN")
    wanted = {name: column for name, column in found.items() if column}
    recorded = list(_recorded(opened, wanted, brand))
    recorded.sort(key=lambda post: post.posted_at)
    return recorded


def _find(opened: rows.Rows, columns: Columns) -> dict[str, str | None]:
    """Which column holds what."""
    names = opened.schema.names
    usual = {"id": ("id", "external_id"), "posted_at": TIMES, "author": ("author",), "brand": ()}
    found: dict[str, str | None] = {"text": columns.text}
    for name, likely in usual.items():
        if said := getattr(columns, name):
            opened.require(said)
        found[name] = said or next((column for column in likely if column in names), None)
    if found["posted_at"] is None:
        raise DataError(f"{opened.name} has no column {' or '.join(TIMES)}: name it with --time-column")
    return found


def _recorded(opened: rows.Rows, found: dict[str, str], brand: str | None) -> Iterator[Recorded]:
    line = 0
    for table in opened.chunks(list(dict.fromkeys(found.values()))):
        texts = rows.texts(table, found["text"])
        cells = {name: table[column].to_pylist() for name, column in found.items() if name != "text"}
        for place, text in enumerate(texts):
            line += 1
            if text is None:
                continue
            row = {name: column[place] for name, column in cells.items()}
            at = _time(row["posted_at"], opened.name, line)
            yield Recorded(at, _body(text, at, row, brand))


def _body(text: str, at: datetime, row: dict[str, Any], brand: str | None) -> dict[str, Any]:
    """As the webhook takes it. Without an id the same text at the same time is the same post."""
    named = row.get("id")
    post_id = str(named) if named not in (None, "") else hashlib.sha256(f"{at} {text}".encode()).hexdigest()[:32]
    body = {"external_id": post_id, "text": text[:MAX_MESSAGE_CHARS], "posted_at": at.isoformat()}
    author = row.get("author")
    return body | {"brands": [brand or str(row["brand"])]} | ({"author": str(author)} if author else {})


def _time(cell: Any, name: str, line: int) -> datetime:
    """Without a zone it is taken as UTC."""
    try:
        at = cell if isinstance(cell, datetime) else datetime.fromisoformat(str(cell))
    except ValueError:
        raise DataError(f"{name}: row {line} has no time that can be read: {str(cell)[:40]!r}") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def replay(
    api: Calls, recorded: list[Recorded], speed: float | None, now: bool, told: Callable[[Total], None]
) -> Total:
    """Send all, `speed` times as fast as it was recorded, or (None) as fast as it is taken.

    now: posts are dated when they are sent. told: hears how far it is. Sending it again stores nothing twice.
    Raises what `Calls.call` raises.
    """
    for name in dict.fromkeys(post.body["brands"][0] for post in recorded):
        _ensure_brand(api, name)
    push = _open(api)
    total = Total()
    for some in _paced(recorded, speed):
        at = datetime.now(UTC).isoformat()
        posts = [post.body | ({"posted_at": at} if now else {}) for post in _merged(some)]
        total = total.plus(len(some), _insist(push, posts))
        told(total)
    return total


def _insist(push: Callable[[list[dict[str, Any]]], dict[str, int]], posts: list[dict[str, Any]]) -> dict[str, int]:
    """What is busy or restarts is asked again: a push that arrives twice stores nothing twice."""
    for pause_s in RETRIES_S:
        try:
            return push(posts)
        except ScoringUnavailable:
            time.sleep(pause_s)
    return push(posts)


def _ensure_brand(api: Calls, name: str) -> None:
    try:
        api.call("POST", "/brands", {"name": name})
    except Conflict:
        return  # it is there, and described more closely


def _open(api: Calls) -> Callable[[list[dict[str, Any]]], dict[str, int]]:
    """The door for posts that name their brands themselves."""
    feed = api.call("POST", "/feeds", {"source": f"webhook:{FEED}"})

    def push(posts: list[dict[str, Any]]) -> dict[str, int]:
        raw = json.dumps({"posts": posts}).encode()
        headers = {webhooks.HEADER: webhooks.sign(feed["secret"], raw, int(time.time()))}
        answer: dict[str, int] = api.call(
            "POST", f"/webhooks/{feed['id']}", raw, {**headers, "Content-Type": "application/json"}
        )
        return answer

    return push


def _merged(some: Iterable[Recorded]) -> Iterable[Recorded]:
    """A post that comes once per brand as one that names them all."""
    found: dict[str, Recorded] = {}
    for post in some:
        if before := found.get(post.body["external_id"]):
            brands = list(dict.fromkeys([*before.body["brands"], *post.body["brands"]]))
            post = Recorded(post.posted_at, {**post.body, "brands": brands})
        found[post.body["external_id"]] = post
    return found.values()


def _paced(recorded: list[Recorded], speed: float | None) -> Iterator[list[Recorded]]:
    """Some posts whenever it is time for them."""
    if speed is None:
        yield from (recorded[start : start + AT_ONCE] for start in range(0, len(recorded), AT_ONCE))
        return
    began_at, place = time.monotonic(), 0
    while place < len(recorded):
        played_s = (time.monotonic() - began_at) * speed
        first = recorded[0].posted_at
        end = place
        while end < len(recorded) and (recorded[end].posted_at - first).total_seconds() <= played_s:
            end += 1
        for start in range(place, end, AT_ONCE):
            yield recorded[start : min(end, start + AT_ONCE)]
        place = end
        if place < len(recorded):
            ahead_s = (recorded[place].posted_at - first).total_seconds() / speed - (time.monotonic() - began_at)
            time.sleep(min(max(ahead_s, LATEST_S / 10), LATEST_S))
