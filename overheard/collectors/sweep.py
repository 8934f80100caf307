"""Searches that answer newest first: from now back to where the last sweep began, however many inspections it takes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from overheard.collectors.base import Cursor, Post, Span
from overheard.collectors.terms import NOT_YET, Step, at_rest, since_of


@dataclass(frozen=True)
class Listing:
    """A page of a search. until: the time of its last item, by which the platform sorts; None where it has no items.

    following: what asks for the next page, or None after the last one.
    """

    posts: Sequence[Post]
    until: datetime | None
    following: str | None
    skipped: tuple[str, ...] = ()


Search: TypeAlias = Callable[[datetime, datetime, str | None], Listing]
"""search(since, until, following): since inclusive, until exclusive."""


def newest_first(state: Cursor, now: datetime, grain: timedelta, search: Search) -> Iterator[Step]:
    """The steps of one term: first the rest of a sweep that was cut off, then one from now.

    A sweep goes on below the oldest post that it had reached: by time, since the platform's own page marks don't
    survive posts that come and go meanwhile. grain: the platform's resolution of time, so that posts of the same
    instant are not cut apart.
    """
    if "newest" in state:
        until, began = (datetime.fromisoformat(state[key]) for key in ("until", "newest"))
        yield from _sweep(state, until, began, grain, search, above=Span(began, now, NOT_YET) if began < now else None)
        if began >= now:
            return
        state = at_rest(began)
    yield from _sweep(state, now + grain, now, grain, search, above=None)


def _sweep(
    state: Cursor, until: datetime, began: datetime, grain: timedelta, search: Search, above: Span | None
) -> Iterator[Step]:
    """Searches end early (after 10,000 hits, or when they like), so each is followed by another below it, and the sweep
    is over when that comes no further. above: what is unread then."""
    since, oldest = since_of(state), until
    seen: set[str] = set()
    following = None
    while True:
        listing = search(since, until, following)
        fresh = [post for post in listing.posts if post.external_id not in seen]
        skipped = tuple(reason for reason in listing.skipped if reason not in seen)
        seen.update(skipped, (post.external_id for post in fresh))
        following, oldest = listing.following, max(since, min(oldest, listing.until or oldest))
        if following is None and oldest >= until - grain:
            yield Step(fresh, at_rest(began), above, skipped=skipped)
            return
        below = oldest + grain
        place = {"since": since.isoformat(), "until": below.isoformat(), "newest": began.isoformat()}
        yield Step(fresh, place, Span(since, above.until if above else oldest, NOT_YET), skipped=skipped)
        if following is None:
            until = below
