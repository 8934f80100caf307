"""Hacker News: stories and comments, by Algolia's search (https://hn.algolia.com/api).

A query gives at most 1,000 hits, the newest: what is older is found by a query for the time before them. The API hands
all parameters on to Algolia, so those of https://www.algolia.com/doc/api-reference/search-api-parameters/ work here.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil, floor
from typing import Any, Final

from overheard.collectors import http
from overheard.collectors.base import Asked, Cursor, Page, Post
from overheard.collectors.markup import plain_text
from overheard.collectors.sweep import Listing, newest_first
from overheard.collectors.terms import Step, check_terms, nonsense, phrases, read_terms
from overheard.errors import SourceDown
from overheard.settings import PREFIX, Settings

SOURCE: Final = "hn"
ADVICE: Final = (
    "it bars addresses that ask more than 10,000 times an hour: inspect less often, or with fewer terms;"
    f" or {PREFIX}HN_URL is not its address"
)
PAGE: Final = 500
SECOND: Final = timedelta(seconds=1)
EXACTLY: Final = {
    "tags": "(story,comment)",
    "typoTolerance": "false",
    "queryType": "prefixNone",
    "advancedSyntax": "true",
    "restrictSearchableAttributes": "title,story_text,comment_text",
}
"""By default `acme` also finds acne, acmeist, and all that a user of that name wrote."""


class HackerNews:
    """The source `hn`. It needs no key and no target. Option since_days: how far back the first inspection goes."""

    source = SOURCE

    def __init__(self, settings: Settings) -> None:
        self._url, self._timeout_s = settings.hn_url.rstrip("/"), settings.fetch_timeout_s

    def check(self, asked: Asked) -> None:
        check_terms(asked)

    def read(self, asked: Asked, cursor: Cursor, now: datetime, reads: int | None) -> Iterator[Page]:
        self.check(asked)

        def steps(term: str, state: Cursor) -> Iterator[Step]:
            return newest_first(state, now, SECOND, partial(self._search, now, term))

        yield from read_terms(phrases(asked), asked, cursor, now, steps)

    def _search(self, now: datetime, phrase: str, since: datetime, until: datetime, page: str | None) -> Listing:
        answer = http.get(
            SOURCE,
            f"{self._url}/api/v1/search_by_date",
            self._timeout_s,
            now,
            advice=ADVICE,
            params={
                **EXACTLY,
                "query": f'"{phrase}"',
                "numericFilters": f"created_at_i>={floor(since.timestamp())},created_at_i<{ceil(until.timestamp())}",
                "hitsPerPage": str(PAGE),
                "page": page or "0",
            },
        )
        return _read(answer.body)


def _read(body: bytes) -> Listing:
    try:
        answer = json.loads(body)
        hits, following = list(answer["hits"]), int(answer["page"]) + 1
        has_more = following < int(answer["nbPages"])
    except (KeyError, TypeError, ValueError) as error:
        raise SourceDown(SOURCE, "answered without hits") from error
    posts, skipped = [], []
    for hit in hits:
        try:
            posts.append(_post(hit))
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            skipped.append(nonsense(hit, "objectID", error))
    oldest = posts[-1].posted_at if posts else None
    return Listing(posts, oldest, str(following) if has_more else None, tuple(skipped))


def _post(hit: Any) -> Post:
    """A story's text is its title and what was written below; a deleted item has none."""
    key = str(hit["objectID"])
    parts = [hit.get("title"), plain_text(hit.get("story_text") or hit.get("comment_text") or "")]
    return Post(
        external_id=key,
        text="\n".join(part for part in parts if part),
        posted_at=_time(hit["created_at_i"]),
        author=hit.get("author") or "",
        url=f"https://news.ycombinator.com/item?id={key}",
        replies_to=str(hit.get("parent_id") or ""),
    )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
