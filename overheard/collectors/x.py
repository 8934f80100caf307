"""X: recent search of API v2, by tweepy. Posts are billed as they are read, and only seven days can be searched."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from overheard.collectors.base import Asked, Cursor, Page, Post, Span
from overheard.collectors.extras import needed_by
from overheard.collectors.x_posts import Repost, understood
from overheard.collectors.x_query import queries
from overheard.collectors.x_sweep import Sweep
from overheard.errors import SettingsError, SourceDown
from overheard.settings import PREFIX, Settings

if TYPE_CHECKING:
    from overheard.collectors.x_client import Api

LEAST, MOST = 10, 100
"""Posts that a page may be asked to hold, and ids that can be looked up at once."""
MINUTE: Final = timedelta(minutes=1)
"""X tells the time no closer."""
MORE: Final = "older posts of this inspection"
SPENT: Final = "the posts that may be read are used up"


class X:
    """Target: a query of the user's own, or empty.

    Cursor: {query: how far it was swept, see `Sweep.state`}. A query that has waited longest is read first, so that a
    small budget goes round.
    """

    source = "x"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, asked: Asked) -> None:
        self._token()
        queries(asked.topic, asked.target)

    def read(self, asked: Asked, cursor: Cursor, now: datetime, reads: int | None) -> Iterator[Page]:
        sweeps = [Sweep.resume(query, cursor.get(query, {}), now) for query in queries(asked.topic, asked.target)]
        pending = sorted(sweeps, key=lambda sweep: sweep.since)
        with self._api(now) as api:
            if not _may_read(reads):
                yield Page((), _cursor(sweeps), unread=_unread(pending, now, SPENT))
            while pending and _may_read(reads):
                found = _next_page(api, pending[0], now, min(MOST, reads or MOST))
                if reads is not None:
                    reads -= found.billed
                if found.is_last:
                    pending.pop(0)
                unread = _unread(pending, now, MORE if _may_read(reads) else SPENT)
                if found.has_news or not unread or not _may_read(reads):
                    yield found.page(_cursor(sweeps), unread)

    def gone(self, ids: Sequence[str], now: datetime) -> set[str]:
        gone: set[str] = set()
        with self._api(now) as api:
            for start in range(0, len(ids), MOST):
                answer = api.look_up(ids[start : start + MOST])
                gone |= {str(error.get("resource_id")) for error in answer.get("errors", ()) if _is_missing(error)}
        return gone & set(ids)

    def _api(self, now: datetime) -> "Api":
        with needed_by(self.source):
            from overheard.collectors.x_client import Api  # a second, for who reads X only

        return Api(self._settings.x_url, self._token(), self._settings.fetch_timeout_s, now)

    def _token(self) -> str:
        if not self._settings.x_token:
            raise SettingsError(f"X needs a bearer token: make one at console.x.com and set {PREFIX}X_TOKEN")
        token = self._settings.x_token.get_secret_value()
        if not token.isascii() or not token.isprintable() or " " in token:  # its errors as a header would show it
            raise SettingsError(f"{PREFIX}X_TOKEN holds characters that no token has: paste it again")
        return token


class _Found(NamedTuple):
    """What one request brought. is_last: whether its query has been read to the end."""

    posts: tuple[Post, ...]
    reposts: dict[str, int]
    skipped: tuple[str, ...]
    lost: Span | None
    billed: int
    is_last: bool

    @property
    def has_news(self) -> bool:
        return bool(self.billed or self.lost)

    def page(self, cursor: Cursor, unread: Span | None) -> Page:
        return Page(self.posts, cursor, self.reposts, (), unread, self.lost, self.billed, self.skipped)


def _next_page(api: "Api", sweep: Sweep, now: datetime, size: int) -> _Found:
    from overheard.collectors.x_client import StaleId

    if sweep.is_out_of_reach:
        return _found([], sweep.finish(now), is_last=True)
    try:
        answer = api.search(sweep.parameters(), size)
    except StaleId as stale:
        sweep.floor = max(sweep.floor, stale.floor + MINUTE)
        if sweep.is_out_of_reach:
            return _found([], sweep.finish(now), is_last=True)
        answer = api.search(sweep.parameters(), size)
    tweets, token = _checked(answer)
    ids = [int(tweet["id"]) for tweet in tweets if isinstance(tweet, dict) and str(tweet.get("id")).isdigit()]
    is_last, lost = sweep.advance(ids, token, now)
    return _found(tweets, lost, is_last=is_last)


def _checked(answer: dict[str, Any]) -> tuple[list[Any], str | None]:
    """A page's posts, and the token if more follow. Raises SourceDown for what must not pass for "nothing new"."""
    tweets, meta = answer.get("data", []), answer.get("meta")
    if not isinstance(tweets, list) or not isinstance(meta, dict) or "result_count" not in meta:
        raise SourceDown(X.source, "an answer of another shape")
    return tweets, meta.get("next_token")


def _found(tweets: Sequence[Any], lost: Span | None, *, is_last: bool) -> _Found:
    posts: list[Post] = []
    reposts: dict[str, int] = {}
    skipped: list[str] = []
    for tweet in tweets:
        try:
            match understood(tweet):
                case Post() as post:
                    posts.append(post)
                case Repost(of, reach):
                    reposts[of] = max(reach, reposts.get(of, 0))
        except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
            name = tweet.get("id", "without an id") if isinstance(tweet, dict) else "that is none"
            skipped.append(f"post {name}: {type(error).__name__} {error}"[:200])
    return _Found(tuple(posts), reposts, tuple(skipped), lost, len(tweets), is_last)


def _may_read(reads: int | None) -> bool:
    return reads is None or reads >= LEAST


def _cursor(sweeps: Sequence[Sweep]) -> Cursor:
    return {sweep.query: sweep.state() for sweep in sweeps}


def _unread(pending: Sequence[Sweep], now: datetime, reason: str) -> Span | None:
    if not pending:
        return None
    return Span(min(sweep.since for sweep in pending), max(sweep.until or now for sweep in pending), reason)


def _is_missing(error: Any) -> bool:
    """Deleted, suspended or made private: X wants all of these forgotten."""
    kind = str(error.get("type", "")) if isinstance(error, dict) else ""
    return kind.endswith(("/resource-not-found", "/not-authorized-for-resource"))
