"""A Bluesky server as its lexicons document it: com.atproto.server.*Session and app.bsky.feed.searchPosts."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from tests.collectors.case import TERM, OnlineCase
from tests.collectors.server import Reply, Request, as_json

HANDLE, PASSWORD = "brand.example", "abcd-efgh-ijkl-mnop"
NEVER = 4_000_000_000


class BlueskyCase(OnlineCase):
    """most: posts in a page, whatever is asked for. reachable: posts that one search pages to.

    expires_at: of the access tokens that it gives, as they say. valid: the one that it takes.
    """

    source: ClassVar[str] = "bluesky"
    library: ClassVar[str] = "atproto"
    page: ClassVar[int] = 20
    secrets: ClassVar[Mapping[str, str]] = {"bluesky_password": PASSWORD}

    def __init__(self, folder: Path) -> None:
        self.views: list[dict[str, Any]] = []
        self.most, self.reachable = self.page, 30
        self.expires_at, self.valid, self.is_refreshable = NEVER, "", True
        super().__init__(folder)

    def settings(self) -> dict[str, Any]:
        return {"bluesky_url": self.server.url, "bluesky_handle": HANDLE}

    def publish(self, *texts: str) -> list[str]:
        return [str(self.post(self.tick(), text)["uri"]) for text in texts]

    def publish_broken(self) -> None:
        self.post(self.tick(), TERM)["record"]["createdAt"] = "yesterday, I think"

    def post(self, at: datetime, text: str, **record: Any) -> dict[str, Any]:
        """Adds a post and returns its view, to be changed."""
        did, stamp = "did:plc:ann", at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        view = {
            "uri": f"at://{did}/app.bsky.feed.post/{len(self.views):013}",
            "cid": "bafy",
            "author": {"did": did, "handle": "ann.example"},
            "record": {"$type": "app.bsky.feed.post", "text": text, "createdAt": stamp, **record},
            "repostCount": 0,
            "indexedAt": stamp,
        }
        self.views.append(view)
        return view

    def answer(self, request: Request) -> Reply:
        method = request.path.removeprefix("/xrpc/")
        if method == "com.atproto.server.createSession":
            said = request.json()
            is_known = (said["identifier"], said["password"]) == (HANDLE, PASSWORD)
            return (
                self._session() if is_known else _error(401, "AuthenticationRequired", "Invalid identifier or password")
            )
        if method == "com.atproto.server.refreshSession":
            return self._session() if self.is_refreshable else _error(400, "ExpiredToken", "Token has expired")
        if method != "app.bsky.feed.searchPosts":
            return _error(501, "MethodNotImplemented", "no such method")
        if request.headers.get("authorization") != f"Bearer {self.valid}":
            return _error(400, "ExpiredToken", "Token has expired")
        return as_json(self._searched(request.query))

    def _session(self) -> Reply:
        number = len(self.server.requests)
        self.valid = _token(self.expires_at, number)
        tokens = {"accessJwt": self.valid, "refreshJwt": _token(NEVER, -number)}
        return as_json({**tokens, "handle": HANDLE, "did": "did:plc:brand", "active": True})

    def _searched(self, query: Any) -> dict[str, Any]:
        phrase, since, until = query["q"].strip('"').lower(), *map(_time, (query["since"], query["until"]))
        found = [view for view in self.views if phrase in str(view["record"].get("text")).lower()]
        found = sorted((view for view in found if since <= _sorted_at(view) < until), key=_sorted_at, reverse=True)
        begin = int(query.get("cursor", "0"))
        end = begin + min(int(query["limit"]), self.most)
        page: dict[str, Any] = {"posts": found[: self.reachable][begin:end]}
        return {**page, "cursor": str(end)} if end < min(len(found), self.reachable) else page

    def rate_limit(self, until: datetime) -> Reply:
        limits = {"ratelimit-limit": "3000", "ratelimit-remaining": "0", "ratelimit-reset": str(int(until.timestamp()))}
        return as_json({"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"}, 429, limits)


def _sorted_at(view: dict[str, Any]) -> datetime:
    """`sortAt`: what the author says, unless it is in the future or makes no sense."""
    try:
        return min(_time(view["record"]["createdAt"]), _time(view["indexedAt"]))
    except ValueError:
        return _time(view["indexedAt"])


def _time(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp).astimezone(UTC)


def _token(expires_at: int, number: int) -> str:
    parts = (
        {"typ": "at+jwt", "alg": "ES256K"},
        {"scope": "com.atproto.appPass", "exp": expires_at, "jti": str(number)},
    )
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "c2lnbmVk"])


def _error(status: int, name: str, message: str) -> Reply:
    return as_json({"error": name, "message": message}, status)
