"""Hacker News' search as Algolia documents it: https://hn.algolia.com/api."""

import re
from datetime import datetime
from html import escape, unescape
from pathlib import Path
from typing import Any, ClassVar

from tests.collectors.case import OnlineCase
from tests.collectors.server import Reply, Request, as_json


class HnCase(OnlineCase):
    """Newest first. By its defaults it also finds words that only begin so, and what a user of that name wrote.

    most: hits in a page, whatever is asked for. reachable: hits of one query, however it is paged.
    """

    source: ClassVar[str] = "hn"
    page: ClassVar[int] = 20
    refusals: ClassVar[tuple[Reply, ...]] = (Reply(400), Reply(403))

    def __init__(self, folder: Path) -> None:
        self.hits: list[dict[str, Any]] = []
        self.most, self.reachable = self.page, 30
        super().__init__(folder)

    def settings(self) -> dict[str, Any]:
        return {"hn_url": self.server.url}

    def publish(self, *texts: str) -> list[str]:
        return [self.comment(self.tick(), f"<p>{escape(text)}</p>".replace("\n", "<p>")) for text in texts]

    def publish_broken(self) -> None:
        self.comment(self.tick(), "acme")
        del self.hits[-1]["objectID"]

    def story(self, at: datetime, title: str, text: str = "", author: str = "ann") -> str:
        return self._add(at, author, "story", title=title, story_text=text or None)

    def comment(self, at: datetime, text: str | None, parent: int = 1, author: str = "ann") -> str:
        fields = {"comment_text": text, "parent_id": parent, "story_id": 1, "story_title": "A story"}
        return self._add(at, author, "comment", title=None, **fields)

    def _add(self, at: datetime, author: str, kind: str, **fields: Any) -> str:
        key = str(40_000_000 + len(self.hits))
        hit = {"objectID": key, "created_at_i": int(at.timestamp()), "author": author, "_tags": [kind]}
        self.hits.append({**hit, **fields})
        return key

    def answer(self, request: Request) -> Reply:
        if request.path != "/api/v1/search_by_date":
            return as_json({"message": "not found"}, 404)
        found = sorted(self._found(request.query), key=lambda hit: -hit["created_at_i"])
        reachable = found[: self.reachable]
        size, number = min(int(request.query.get("hitsPerPage", "20")), self.most), int(request.query.get("page", "0"))
        page = reachable[number * size : (number + 1) * size]
        return as_json({"hits": page, "page": number, "nbHits": len(found), "nbPages": -(-len(reachable) // size)})

    def _found(self, query: Any) -> list[dict[str, Any]]:
        fields = query.get("restrictSearchableAttributes", "title,story_text,comment_text,url,author").split(",")
        end = r"(?!\w)" if query.get("queryType") == "prefixNone" else ""
        wanted = re.escape(query["query"].strip('"'))
        phrase = re.compile(rf"(?<!\w){wanted}{end}", re.IGNORECASE)
        bounds = re.fullmatch(r"created_at_i>=(\d+),created_at_i<(\d+)", query["numericFilters"])
        assert bounds
        since, until = map(int, bounds.groups())
        return [
            hit
            for hit in self.hits
            if since <= hit["created_at_i"] < until
            and any(phrase.search(unescape(hit.get(field) or "")) for field in fields)
        ]

    def rate_limit(self, until: datetime) -> Reply:
        return Reply(429, headers={"Retry-After": str(round((until - self.now).total_seconds()))})
