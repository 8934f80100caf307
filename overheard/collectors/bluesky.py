"""Bluesky: the search of posts (app.bsky.feed.searchPosts), which wants an account."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from overheard.collectors.base import Asked, Cursor, Page, Post
from overheard.collectors.bluesky_session import SOURCE, Session, account_of
from overheard.collectors.sweep import Listing, newest_first
from overheard.collectors.terms import Step, check_installed, check_terms, nonsense, phrases, read_terms
from overheard.errors import SourceDown
from overheard.settings import Settings

PAGE: Final = 100
MILLISECOND: Final = timedelta(milliseconds=1)
POST: Final = "/app.bsky.feed.post/"


class Bluesky:
    """The source `bluesky`. It has no target. Option since_days: how far back the first inspection goes."""

    source = SOURCE

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, asked: Asked) -> None:
        check_terms(asked)
        check_installed("atproto")
        account_of(self._settings)

    def read(self, asked: Asked, cursor: Cursor, now: datetime, reads: int | None) -> Iterator[Page]:
        self.check(asked)
        with Session(self._settings, now) as session:

            def steps(term: str, state: Cursor) -> Iterator[Step]:
                return newest_first(state, now, MILLISECOND, partial(_search, session, asked.topic.languages, term))

            yield from read_terms(phrases(asked), asked, cursor, now, steps)


def _search(
    session: Session, languages: tuple[str, ...], phrase: str, since: datetime, until: datetime, following: str | None
) -> Listing:
    from atproto import models

    query = models.AppBskyFeedSearchPosts.Params(
        q=f'"{phrase}"', sort="latest", since=_stamp(since), until=_stamp(until), limit=PAGE, cursor=following
    )
    answer = session.ask("app.bsky.feed.searchPosts", query)
    try:
        views, cursor = list(answer["posts"]), answer.get("cursor")
    except (KeyError, TypeError, AttributeError) as error:
        raise SourceDown(SOURCE, "answered without posts") from error
    posts, skipped = [], []
    for view in views:
        try:
            posts.append(_post(view, languages))
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            skipped.append(nonsense(view, "uri", error))
    return Listing(posts, posts[-1].posted_at if posts else None, cursor if views else None, tuple(skipped))


def _post(view: Any, languages: tuple[str, ...]) -> Post:
    """posted_at: the time that search sorts by, since authors write `createdAt` themselves."""
    uri, author, record = str(view["uri"]), str(view["author"]["did"]), view["record"]
    spoken = [str(tag).partition("-")[0].lower() for tag in record.get("langs") or ()]
    quoted = _quoted(record.get("embed") or {})
    return Post(
        external_id=uri,
        text=str(record["text"]),
        posted_at=min(_time(record["createdAt"]), _time(view["indexedAt"])),
        author=author,
        url=f"https://bsky.app/profile/{author}/post/{uri.rpartition('/')[2]}",
        language=next((tag for tag in spoken if tag in languages), next(iter(spoken), "")),
        reach=int(view.get("repostCount") or 0),
        replies_to=str(record["reply"]["parent"]["uri"]) if record.get("reply") else "",
        quotes=quoted if POST in quoted else "",
    )


def _quoted(embed: Any) -> str:
    """What a record embeds: alone, or beside pictures. It may be a list or a feed as well."""
    record = embed.get("record") or {}
    return str(record.get("uri") or (record.get("record") or {}).get("uri") or "")


def _time(stamp: str) -> datetime:
    time = datetime.fromisoformat(stamp)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
