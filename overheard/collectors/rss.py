"""News and blogs: RSS and Atom feeds, by feedparser. A feed has no pages: what its one page says is all there is.

An address tells neither a search nor a history, so entries are chosen by the topic here, and those that fall off the
page between two inspections are lost.
"""

import hashlib
import io
from calendar import timegm
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from overheard.collectors import http
from overheard.collectors.base import Asked, Cursor, Page, Post, Span
from overheard.collectors.extras import needed_by
from overheard.collectors.markup import plain_text
from overheard.collectors.matching import is_about, is_spoken
from overheard.errors import DataError, SourceDown
from overheard.settings import Settings

REMEMBERED: Final = 500
"""Entries that have left the page and are still known: some servers show an old page now and then."""
LONGEST_ID: Final = 400
ADVICE: Final = "open the address in a browser; if it has moved or needs a login, add the feed with another one"
MATCH: Final = ("terms", "all")


class Rss:
    """Target: the feed's address. Option `match`: `terms` (only entries that have one, the default) or `all`.

    Cursor: {"etag", "modified": as the server gave them, "known": {hash of an id: when it was updated, or 0},
    "newest": when the newest known entry was posted}.
    """

    source = "rss"

    def __init__(self, settings: Settings) -> None:
        self._timeout_s = settings.fetch_timeout_s

    def check(self, asked: Asked) -> None:
        http.check_url(asked.target)
        if asked.options.get("match", "terms") not in MATCH:
            raise DataError(f"match is {asked.options['match']!r}: say {' or '.join(MATCH)}")

    def read(self, asked: Asked, cursor: Cursor, now: datetime, reads: int | None) -> Iterator[Page]:
        self.check(asked)
        conditions = {"If-None-Match": cursor.get("etag"), "If-Modified-Since": cursor.get("modified")}
        headers = {name: value for name, value in conditions.items() if value}
        answer = http.get(self.source, asked.target, self._timeout_s, now, advice=ADVICE, headers=headers)
        yield Page((), cursor) if answer.status == 304 else _page(asked, cursor, now, answer)


def _page(asked: Asked, cursor: Cursor, now: datetime, answer: http.Answer) -> Page:
    feed = _parse(answer)
    known: Mapping[str, int] = cursor.get("known", {})
    seen: dict[str, int] = {}
    news: list[Post] = []
    skipped: list[str] = []
    times: list[datetime] = []
    for entry in feed.entries:
        post = _post(entry, feed.feed, asked.target, now)
        if isinstance(post, str):
            skipped.append(post)
            continue
        key, updated = _digest(post.external_id), int(post.edited_at.timestamp()) if post.edited_at else 0
        times.append(post.posted_at)
        if key not in seen and updated > known.get(key, -1) and _is_wanted(asked, post):
            news.append(post)
        seen[key] = max(updated, known.get(key, 0))
    newest = _moment(cursor.get("newest"))
    after: Cursor = {
        "etag": answer.headers.get("ETag"),
        "modified": answer.headers.get("Last-Modified"),
        "known": {**seen, **_older(known, seen)},
        "newest": max((moment for moment in (newest, *times) if moment), default=now).isoformat(),
    }
    return Page(tuple(news), after, lost=_lost(known, seen, newest, times), skipped=tuple(skipped))


def _parse(answer: http.Answer) -> Any:
    """A feed that is damaged and yet has entries is used. Bytes go in as a file: a name would be opened."""
    with needed_by(Rss.source):
        import feedparser

    told = {"content-location": answer.url, "content-type": answer.headers.get("Content-Type", "")}
    no_feed = SourceDown(Rss.source, f"{urlsplit(answer.url).hostname} answers with something that is no feed")
    body = io.BytesIO(answer.body)
    try:
        feed = feedparser.parse(body, response_headers=told, sanitize_html=False, resolve_relative_uris=False)
    except Exception as error:  # a damaged feed may fail it in any way: ValueError, KeyError, ...
        raise no_feed from error
    if not feed.get("version") and not feed.entries:
        raise no_feed
    return feed


def _post(entry: Mapping[str, Any], feed: Mapping[str, Any], address: str, now: datetime) -> Post | str:
    """What an entry says, or why it says nothing."""
    link = entry.get("link", "")
    name = entry.get("id") or link
    text = "\n".join(part for part in (_text(entry, "title"), _body(entry)) if part)
    if not name or not text:
        return f"an entry without {'an id or a link' if text else 'a text'}: {(name or text)[:80]}"
    published, updated = _time(entry, "published_parsed"), _time(entry, "updated_parsed")
    posted_at = min(published or updated or now, now)
    return Post(
        external_id=_external_id(name, address),
        text=text,
        posted_at=posted_at,
        author=str(entry.get("author", "")),
        url=link,
        language=_language(feed.get("language", "")),
        edited_at=updated if updated and updated > posted_at else None,
    )


def _text(entry: Mapping[str, Any], field: str) -> str:
    value, details = entry.get(field) or "", entry.get(f"{field}_detail") or {}
    return str(value).strip() if details.get("type") == "text/plain" else plain_text(str(value))


def _body(entry: Mapping[str, Any]) -> str:
    """The summary; where there is none, the first text among the contents."""
    if summary := _text(entry, "summary"):
        return summary
    contents: Sequence[Mapping[str, Any]] = entry.get("content", ())
    return next((text for part in contents if (text := plain_text(str(part.get("value", ""))))), "")


def _time(entry: Mapping[str, Any], field: str) -> datetime | None:
    """Feedparser gives UTC; what it can't read, or what no calendar has, is no time."""
    parsed = dict(entry).get(field)
    try:
        return datetime.fromtimestamp(timegm(parsed), UTC) if parsed else None
    except (ValueError, OverflowError, OSError):
        return None


def _external_id(name: str, address: str) -> str:
    """Ids that claim no uniqueness in the world are made unique by the feed's address."""
    found = name if name.startswith(("http:", "https:", "tag:", "urn:")) else f"{address}#{name}"
    return found if len(found) <= LONGEST_ID else f"{found[:LONGEST_ID]}#{_digest(found)}"


def _language(tag: str) -> str:
    code = tag.strip().lower().replace("_", "-").partition("-")[0]
    return code if len(code) == 2 and code.isalpha() else ""


def _is_wanted(asked: Asked, post: Post) -> bool:
    if not is_spoken(asked.topic, post.language):
        return False
    return asked.options.get("match") == "all" or is_about(asked.topic, post.text)


def _older(known: Mapping[str, int], seen: Mapping[str, int]) -> dict[str, int]:
    return dict([(key, value) for key, value in known.items() if key not in seen][:REMEMBERED])


def _lost(
    known: Mapping[str, int], seen: Mapping[str, int], newest: datetime | None, times: Sequence[datetime]
) -> Span | None:
    """Between two inspections that have no entry in common others may have come and gone."""
    if not known or not seen or newest is None or seen.keys() & known.keys() or min(times) <= newest:
        return None
    return Span(newest, min(times), "all entries of the feed's page are new: it may have had others in between")


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _digest(text: str) -> str:
    return hashlib.blake2s(text.encode(), digest_size=8).hexdigest()
