"""X's API v2 as documented: recent search (newest first, ids that tell times, a window of seven days) and look-up."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any, ClassVar

from tests.collectors.case import OnlineCase
from tests.collectors.server import Reply, Request, as_json

TOKEN = "AAAA-a-bearer-token-of-x-AAAA"
SEARCH, LOOKUP = "/2/tweets/search/recent", "/2/tweets"
PROBLEMS = "https://api.twitter.com/2/problems"


def id_at(moment: datetime, counter: int = 0) -> int:
    return (int(moment.timestamp() * 1000) - 1_288_834_974_657 << 22) + counter


def problem(status: int, kind: str, detail: str, **more: Any) -> Reply:
    return as_json({"type": f"{PROBLEMS}/{kind}", "title": kind, "status": status, "detail": detail, **more}, status)


class XCase(OnlineCase):
    source: ClassVar[str] = "x"
    library: ClassVar[str] = "tweepy"
    page: ClassVar[int | None] = 100
    secrets: ClassVar[Mapping[str, str]] = {"x_token": TOKEN}
    billed: ClassVar[bool] = True
    refusals: ClassVar[tuple[Reply, ...]] = (
        Reply(401),
        problem(401, "about:blank", "Unauthorized"),
        problem(402, "credits", "Your enrolled account does not have any credits to fulfill this request."),
        problem(403, "client-forbidden", "You are not allowed to use this endpoint."),
        problem(400, "invalid-request", "There were errors processing your request: missing EOF"),
        problem(429, "usage-capped", "Usage cap exceeded: Monthly product cap", period="Monthly"),
    )

    def __init__(self, folder: Path) -> None:
        self.tweets: list[dict[str, Any]] = []
        self.deleted: dict[str, str] = {}
        self.window = timedelta(days=7)
        super().__init__(folder)

    def settings(self) -> Mapping[str, Any]:
        return {"x_url": self.server.url}

    def publish(self, *texts: str) -> list[str]:
        return [self.add(text) for text in texts]

    def add(self, text: str, **fields: Any) -> str:
        """X escapes three characters in a text, and sends its end in `note_tweet` where it is long."""
        number = str(id_at(self.tick(), len(self.tweets) % 4096))
        tweet = {
            "id": number,
            "edit_history_tweet_ids": [number],
            "text": escape(text, quote=False),
            "created_at": f"{self.now:%Y-%m-%dT%H:%M:%S}.{self.now.microsecond // 1000:03}Z",
            "author_id": "2244994945",
            "lang": "en",
            "public_metrics": {"retweet_count": 3, "reply_count": 0, "like_count": 1, "quote_count": 0},
        }
        self.tweets.append({**tweet, **fields})
        return number

    def publish_broken(self) -> None:
        """Without a text."""
        self.add("")
        del self.tweets[-1]["text"]

    def answer(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return problem(401, "about:blank", "Unauthorized")
        return self.search(request.query) if request.path == SEARCH else self.look_up(request.query["ids"].split(","))

    def search(self, query: Mapping[str, str]) -> Reply:
        size, floor = int(query.get("max_results", 10)), self.now - self.window
        if not 10 <= size <= 100 or len(query["query"]) > 512:
            return problem(400, "invalid-request", "One or more parameters to your request was invalid.")
        for name in ("since_id", "until_id"):
            if name in query and int(query[name]) < id_at(floor):
                return self.too_old(name, query[name], floor)
        least, most = max(int(query.get("since_id", 0)), id_at(floor) - 1), int(query.get("until_id", 2**63))
        found = sorted((t for t in self.tweets if least < int(t["id"]) < most), key=lambda t: -int(t["id"]))
        start = int(query.get("next_token", "t0")[1:])
        page, more = found[start : start + size], len(found) > start + size
        meta = {"result_count": len(page), **({"next_token": f"t{start + size}"} if more else {})}
        return as_json({"meta": meta, **({"data": page} if page else {})})

    def too_old(self, name: str, value: str, floor: datetime) -> Reply:
        told = f"'{name}' must be a tweet id created after {floor:%Y-%m-%dT%H:%MZ}. "
        message = f"{told}Please use a '{name}' that is larger than {id_at(floor)}"
        errors = [{"parameters": {name: [value]}, "message": message}]
        return problem(400, "invalid-request", "One or more parameters to your request was invalid.", errors=errors)

    def look_up(self, ids: list[str]) -> Reply:
        if len(ids) > 100:
            return problem(400, "invalid-request", "One or more parameters to your request was invalid.")
        there = [tweet for tweet in self.tweets if tweet["id"] in ids and tweet["id"] not in self.deleted]
        errors = [
            {"resource_id": number, "resource_type": "tweet", "type": f"{PROBLEMS}/{self.deleted[number]}"}
            for number in ids
            if number in self.deleted
        ]
        return as_json({**({"data": there} if there else {}), **({"errors": errors} if errors else {})})

    def rate_limit(self, until: datetime) -> Reply:
        headers = {"x-rate-limit-limit": "450", "x-rate-limit-remaining": "0"}
        body = {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank", "status": 429}
        return as_json(body, 429, {**headers, "x-rate-limit-reset": str(int(until.timestamp()))})
