"""Mastodon: with a token the search of the token's instance, without one an instance's public timelines of hashtags.

Ids are an instance's own, and a post is known on many: it is called by its `uri`, which is the same everywhere.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from overheard.collectors.base import Asked, Cursor, Page, Post, Span
from overheard.collectors.markup import plain_text
from overheard.collectors.sweep import Listing, newest_first
from overheard.collectors.terms import (
    NOT_YET,
    Step,
    at_rest,
    check_installed,
    check_terms,
    nonsense,
    phrases,
    read_terms,
    since_of,
)
from overheard.errors import DataError, SourceBusy, SourceDown, SourceRefused
from overheard.hosts import is_loopback
from overheard.settings import PREFIX, Settings

if TYPE_CHECKING:
    from mastodon import Mastodon as Client

SOURCE: Final = "mastodon"
PAGE: Final = 40
"""The most statuses that an instance gives at a time."""
WINDOW: Final = timedelta(minutes=5)
"""Of the rate limit, where an answer does not say when it is over."""
SECOND: Final = timedelta(seconds=1)
"""To which search rounds the times between which it looks."""
PUBLIC: Final = ("public", "unlisted")
NEEDS_TOKEN: Final = f"set {PREFIX}MASTODON_TOKEN to an access token of this instance with the scope read:search"
ADVICE: Final = {
    401: f"its token was revoked, or it wants one: {NEEDS_TOKEN}",
    403: f"it lets this token read nothing: {NEEDS_TOKEN}",
    404: "look at the feed's target: is this a Mastodon instance?",
    410: "look at the feed's target: is this a Mastodon instance?",
    422: f"it wants an account: {NEEDS_TOKEN}",
}
SEQUENCE_BITS: Final = 16


class Mastodon:
    """The source `mastodon`. Its target is an instance's URL, or none for that of OVERHEARD_MASTODON_URL.

    The token is shown to no other instance. Option since_days: how far back the first inspection goes.
    """

    source = SOURCE

    def __init__(self, settings: Settings) -> None:
        self._home, self._token = settings.mastodon_url.rstrip("/"), settings.mastodon_token
        self._timeout_s = settings.fetch_timeout_s

    def check(self, asked: Asked) -> None:
        check_terms(asked)
        check_installed("mastodon")
        url = urlsplit(self._instance(asked))
        if not url.hostname or url.scheme not in ("http", "https") or url.path or url.query:
            raise DataError(f"{self._instance(asked)!r} is no instance: give its URL, as https://mastodon.social")
        if url.scheme == "http" and not is_loopback(url.geturl()):
            raise DataError(f"{self._instance(asked)} would be read in the clear: give its https URL")
        if self._token_for(asked) is None and not _hashtags(asked):
            raise DataError(f"none of the terms can be a hashtag: {NEEDS_TOKEN}, or add a term with letters")

    def read(self, asked: Asked, cursor: Cursor, now: datetime, reads: int | None) -> Iterator[Page]:
        self.check(asked)
        client = self._client(asked)
        reader = _Reader(client, urlsplit(self._instance(asked)).netloc, now)
        with closing(client.session):
            if self._token_for(asked):
                yield from read_terms(phrases(asked), asked, cursor, now, reader.search)
            else:
                yield from read_terms(_hashtags(asked), asked, cursor, now, reader.hashtag)

    def _instance(self, asked: Asked) -> str:
        return asked.target.rstrip("/") or self._home

    def _token_for(self, asked: Asked) -> str | None:
        is_home = self._instance(asked).casefold() == self._home.casefold()
        return self._token.get_secret_value() if self._token and is_home else None

    def _client(self, asked: Asked) -> "Client":
        """Told a version, it does not ask the instance for its own, and take every trouble for an old one."""
        import requests
        from mastodon import Mastodon as Client

        session = requests.Session()
        session.trust_env = not is_loopback(self._instance(asked))  # a proxy is for the world outside
        return Client(
            api_base_url=self._instance(asked),
            access_token=self._token_for(asked),
            session=session,
            request_timeout=self._timeout_s,
            ratelimit_method="throw",
            user_agent="overheard",
            version_check_mode="created",
            mastodon_version="4.2.0",
        )


@dataclass(frozen=True)
class _Reader:
    """Reads one instance. host: its name."""

    client: "Client"
    host: str
    now: datetime

    def hashtag(self, name: str, state: Cursor) -> Iterator[Step]:
        """Oldest first, so that the place simply moves on. A page may be short, but only the last one is empty."""
        if not self._call(lambda: self.client.timeline_is_available("hashtag")):
            raise SourceRefused(SOURCE, f"{self.host} shows hashtags only to its members", NEEDS_TOKEN)
        newest = int(state.get("min_id", _id_at(since_of(state))))
        while True:
            page = _read(self._list(partial(self._after, name.removeprefix("#"), newest)), self.host)
            following = max((newest, *page.ids))
            if following == newest:
                yield Step(page.posts, at_rest(self.now), None, page.reposts, page.skipped)
                return
            newest, since = following, _time_of(following)
            place = {"since": since.isoformat(), "min_id": str(newest)}
            yield Step(page.posts, place, Span(since, self.now, NOT_YET), page.reposts, page.skipped)

    def search(self, term: str, state: Cursor) -> Iterator[Step]:
        return newest_first(state, self.now, SECOND, partial(self._search, term))

    def _after(self, hashtag: str, status_id: int) -> Any:
        return self.client.timeline_hashtag(hashtag, min_id=str(status_id), limit=PAGE)

    def _search(self, phrase: str, since: datetime, until: datetime, offset: str | None) -> Listing:
        """Search turns ids into whole seconds, and may take neither bound for included: so both are a little wider."""
        found = self._list(
            lambda: self.client.search_v2(
                f'"{phrase}"',
                resolve=False,
                result_type="statuses",
                min_id=str(_id_at(since - 2 * SECOND)),
                max_id=str(_id_at(until + SECOND)),
                offset=int(offset or 0),
                limit=PAGE,
            )["statuses"]
        )
        page = _read(found, self.host)
        following = str(int(offset or 0) + PAGE) if len(found) >= PAGE else None
        return Listing(page.posts, _time_of(min(page.ids)) if page.ids else None, following, page.skipped)

    def _list(self, call: Callable[[], Any]) -> list[Any]:
        """The client makes what it can of an answer of another shape, and fails at the rest in many ways."""
        try:
            found = self._call(call)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SourceDown(SOURCE, f"{self.host} answered without statuses") from error
        if not isinstance(found, list) or (found and not any(isinstance(status, dict) for status in found)):
            raise SourceDown(SOURCE, f"{self.host} answered without statuses")
        return found

    def _call(self, call: Callable[[], Any]) -> Any:
        from mastodon.errors import MastodonAPIError, MastodonError, MastodonRatelimitError

        try:
            return call()
        except MastodonRatelimitError as error:
            reset = self.client.ratelimit_reset
            wait = timedelta(seconds=reset - time.time()) if reset else WINDOW
            raise SourceBusy(SOURCE, f"{self.host} has a rate limit", self.now + wait) from error
        except MastodonAPIError as error:
            status = error.args[1] if len(error.args) > 3 else None
            if status in ADVICE:
                raise SourceRefused(SOURCE, f"{self.host} answered {status}", ADVICE[status]) from error
            raise SourceDown(SOURCE, f"{self.host} failed: {str(error)[:200]}") from error
        except MastodonError as error:
            raise SourceDown(SOURCE, f"no answer of {self.host}: {str(error)[:200]}") from error


@dataclass(frozen=True)
class _Statuses:
    """ids: of all statuses that were given, on this instance."""

    posts: tuple[Post, ...]
    ids: tuple[int, ...]
    reposts: dict[str, int]
    skipped: tuple[str, ...]


def _read(found: list[Any], host: str) -> _Statuses:
    """A search with a token also finds what only its owner may see: that is none of our business."""
    posts, ids, reposts, skipped = [], [], {}, []
    uris = {str(status.get("id")): status.get("uri") for status in found if isinstance(status, dict)}
    for status in found:
        try:
            ids.append(int(status["id"]))
            if original := status.get("reblog"):
                reposts[str(original["uri"])] = int(original["reblogs_count"])
            elif status.get("visibility") in PUBLIC:
                posts.append(_post(status, host, uris))
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            skipped.append(nonsense(status, "id", error))
    return _Statuses(tuple(posts), tuple(ids), reposts, tuple(skipped))


def _post(status: Any, host: str, uris: dict[str, Any]) -> Post:
    """What is replied to is called by its `uri` where it came along, else by its address on this instance."""
    account, parent = str(status["account"]["acct"]), status.get("in_reply_to_id")
    quoted = (status.get("quote") or {}).get("quoted_status") or {}
    return Post(
        external_id=_text(status["uri"]),
        text="\n".join(part for part in (status.get("spoiler_text"), plain_text(status["content"])) if part),
        posted_at=_aware(status["created_at"]),
        author=account if "@" in account else f"{account}@{host}",
        url=status.get("url") or "",
        language=(status.get("language") or "").partition("-")[0].lower(),
        reach=int(status.get("reblogs_count") or 0),
        replies_to=(uris.get(str(parent)) or f"https://{host}/api/v1/statuses/{parent}") if parent else "",
        quotes=quoted.get("uri") or "",
        edited_at=_aware(status["edited_at"]) if status.get("edited_at") else None,
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{value!r} is no name")
    return value


def _aware(at: Any) -> datetime:
    if not isinstance(at, datetime):
        raise TypeError(f"{at!r} is no time")
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _hashtags(asked: Asked) -> tuple[str, ...]:
    """`Acme Rockets` -> `#AcmeRockets`; what has no letter can't be one."""
    names = (re.sub(r"\W", "", term) for term in asked.topic.terms)
    return tuple({name.casefold(): f"#{name}" for name in names if re.search(r"[^\d_]", name)}.values())


def _id_at(at: datetime) -> int:
    """The first id of a millisecond: ids are made of the time of the post."""
    return int(at.timestamp() * 1000) << SEQUENCE_BITS


def _time_of(status_id: int) -> datetime:
    return datetime.fromtimestamp((status_id >> SEQUENCE_BITS) / 1000, UTC)
