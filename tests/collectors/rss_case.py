"""A site with an RSS feed that honours conditional requests."""

from datetime import datetime
from email.utils import format_datetime
from hashlib import sha256
from html import escape
from typing import ClassVar

from overheard.collectors.base import Asked, Topic
from tests.collectors.case import TERM, OnlineCase
from tests.collectors.server import Reply, Request

RSS = "application/rss+xml; charset=utf-8"


class RssCase(OnlineCase):
    source: ClassVar[str] = "rss"
    library: ClassVar[str] = "feedparser"
    refusals: ClassVar[tuple[Reply, ...]] = (Reply(401), Reply(403), Reply(404), Reply(410))
    nonsense: ClassVar[tuple[bytes, ...]] = (b"", b"<html>We'll be back", b'{"items": []}', b"\xff\xfe\x00")

    items: list[str]

    def asked(self) -> Asked:
        return Asked(Topic((TERM,)), f"{self.server.url}/feed.xml")

    def publish(self, *texts: str) -> list[str]:
        """Newest first, as sites do it; the text is HTML in a description."""
        return [self.add(text, f"https://blog.example/{sha256(text.encode()).hexdigest()[:12]}") for text in texts]

    def add(self, text: str, guid: str) -> str:
        html = f"<p>{escape(text)}</p>".replace("\n", "<br/>")
        self.put(f"<guid>{guid}</guid><description>{escape(html)}</description>", self.tick())
        return guid

    def put(self, inside: str, at: datetime | None = None) -> None:
        date = f"<pubDate>{format_datetime(at)}</pubDate>" if at else ""
        self.items = [f"<item>{inside}{date}</item>", *getattr(self, "items", [])]

    def publish_broken(self) -> None:
        self.put("<pubDate>yesterday, I think</pubDate>")

    def document(self) -> bytes:
        head = "<title>A blog</title><link>https://blog.example/</link>"
        items = "".join(getattr(self, "items", []))
        return f'<?xml version="1.0"?><rss version="2.0"><channel>{head}{items}</channel></rss>'.encode()

    def answer(self, request: Request) -> Reply:
        if request.path != "/feed.xml":
            return Reply(404)
        body = self.document()
        etag = f'"{sha256(body).hexdigest()[:16]}"'
        if request.headers.get("if-none-match") == etag:
            return Reply(304, headers={"ETag": etag})
        return Reply(200, body, {"Content-Type": RSS, "ETag": etag})

    def rate_limit(self, until: datetime) -> Reply:
        return Reply(429, headers={"Retry-After": format_datetime(until, usegmt=True)})
