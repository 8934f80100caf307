"""A Mastodon instance as https://docs.joinmastodon.org/methods documents it, and as its search really is."""

import re
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any, ClassVar

from tests.collectors.case import TERM, OnlineCase
from tests.collectors.server import Reply, Request, as_json

TOKEN = "token-of-an-account"


class MastodonCase(OnlineCase):
    """Without a token: the timelines of hashtags. It gives fewer statuses at a time than it is asked for.

    shows_hashtags_to: `public`, or `authenticated`. reachable: by offsets, of one search.
    """

    source: ClassVar[str] = "mastodon"
    library: ClassVar[str] = "mastodon"
    page: ClassVar[int] = 10
    refusals: ClassVar[tuple[Reply, ...]] = tuple(as_json({"error": "no"}, status) for status in (401, 403, 404, 422))
    nonsense: ClassVar[tuple[bytes, ...]] = (b"", b"<html>We'll be back", b'{"data": 7}', b'"\xff"', b"[1, 2]")

    def __init__(self, folder: Path) -> None:
        self.statuses: list[dict[str, Any]] = []
        self.shows_hashtags_to, self.reachable = "public", 10_000
        super().__init__(folder)

    def settings(self) -> dict[str, Any]:
        return {"mastodon_url": self.server.url}

    def publish(self, *texts: str) -> list[str]:
        return [self.toot(self.tick(), f"<p>{escape(text)}</p>".replace("\n", "<br>"))["uri"] for text in texts]

    def publish_broken(self) -> None:
        self.toot(self.tick(), TERM, created_at="yesterday, I think")

    def toot(self, at: datetime, content: str, hashtag: str = TERM, **fields: Any) -> dict[str, Any]:
        """Adds a status and returns it, to be changed. hashtag: beside those of its content."""
        key = str((int(at.timestamp() * 1000) << 16) + len(self.statuses))
        names = {hashtag.lower(), *(name.lower() for name in re.findall(r"#(\w+)", content))}
        status = {
            "id": key,
            "uri": f"https://far.example/users/ann/statuses/{key}",
            "url": f"https://far.example/@ann/{key}",
            "created_at": _stamp(at),
            "edited_at": None,
            "account": {"id": "7", "username": "ann", "acct": "ann@far.example", "url": "https://far.example/@ann"},
            "content": content,
            "spoiler_text": "",
            "visibility": "public",
            "language": "en",
            "reblogs_count": 0,
            "in_reply_to_id": None,
            "reblog": None,
            "tags": [{"name": name, "url": f"https://near.example/tags/{name}"} for name in names],
            **fields,
        }
        self.statuses.append(status)
        return status

    def answer(self, request: Request) -> Reply:
        headers = {"X-RateLimit-Limit": "300", "X-RateLimit-Remaining": "299", "X-RateLimit-Reset": _soon()}
        if request.path.rstrip("/") == "/api/v2/instance":
            feeds = {"hashtag_feeds": {"local": self.shows_hashtags_to, "remote": self.shows_hashtags_to}}
            return as_json({"version": "4.5.2", "configuration": {"timelines_access": feeds}}, 200, headers)
        if request.path.startswith("/api/v1/timelines/tag/"):
            return as_json(self._tagged(request.path.rpartition("/")[2], request.query), 200, headers)
        if request.path == "/api/v2/search":
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                return as_json({"error": "The access token is invalid"}, 401, headers)
            found = {"accounts": [], "hashtags": [], "statuses": self._searched(request.query)}
            return as_json(found, 200, headers)
        return as_json({"error": "Record not found"}, 404, headers)

    def _tagged(self, name: str, query: Any) -> list[dict[str, Any]]:
        after = int(query["min_id"])
        newer = [
            s for s in self.statuses if int(s["id"]) > after and name.lower() in {tag["name"] for tag in s["tags"]}
        ]
        return sorted(newer, key=lambda s: int(s["id"]))[: min(int(query["limit"]), self.page)][::-1]

    def _searched(self, query: Any) -> list[dict[str, Any]]:
        """Ids become times in whole seconds, both bounds excluded: StatusesSearchService of Mastodon 4."""
        assert query["type"] == "statuses"
        assert "resolve" not in query
        after, before = (int(query[name]) >> 16 for name in ("min_id", "max_id"))
        phrase = query["q"].strip('"').lower()
        found = [
            s
            for s in self.statuses
            if after // 1000 + 1 <= (int(s["id"]) >> 16) / 1000 < before // 1000
            and phrase in re.sub(r"<[^>]*>", "", s["content"]).lower()
        ]
        offset = int(query.get("offset", "0"))
        found = sorted(found, key=lambda s: -int(s["id"]))[: self.reachable]
        return found[offset : offset + min(int(query["limit"]), self.page)]

    def rate_limit(self, until: datetime) -> Reply:
        """The client compares its clock with the server's, so `until` is told by the real one."""
        reset = datetime.now(UTC) + (until - self.now)
        return as_json({"error": "Too many requests"}, 429, {"X-RateLimit-Reset": _stamp(reset)})


class MastodonSearchCase(MastodonCase):
    """With a token: the search of its instance."""

    page: ClassVar[int] = 40
    nonsense: ClassVar[tuple[bytes, ...]] = (*MastodonCase.nonsense, b"[]")

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "mastodon_token": TOKEN}


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _soon() -> str:
    return _stamp(datetime.now(UTC) + timedelta(minutes=5))
