"""Platforms that search one term at a time: each term has its own place in the cursor, and goes on from there.

A term's state is a dictionary whose "since" (ISO 8601) says up to when everything is read; the rest is its reader's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from importlib.util import find_spec
from typing import Any, Final

from overheard.collectors.base import Asked, Cursor, Page, Post, Span, Topic
from overheard.collectors.matching import is_about, is_spoken
from overheard.errors import DataError, SettingsError

OVERLAP: Final = timedelta(minutes=30)
"""An inspection begins so long before the end of the last: platforms index late, and servers tell each other late."""
NOT_YET: Final = "not read yet"


@dataclass(frozen=True)
class Step:
    """What one request about one term brought.

    state: where the term goes on. unread: what its next requests would bring; None: the term is read up to now.
    reposts, skipped: as in a Page.
    """

    posts: Sequence[Post]
    state: Cursor
    unread: Span | None
    reposts: Mapping[str, int] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()


def phrases(asked: Asked) -> tuple[str, ...]:
    """The terms, as they can stand between quotation marks; each once, and none that would find everything."""
    plain = (" ".join(term.replace('"', " ").split()) for term in asked.topic.terms)
    return tuple({phrase.casefold(): phrase for phrase in plain if phrase}.values())


def check_terms(asked: Asked) -> None:
    """Raises DataError where there is nothing to search for, or no time to begin at."""
    if not phrases(asked):
        raise DataError("there is nothing to search for: give the brand a name or a query")
    since_days(asked)


def check_installed(library: str) -> None:
    """Raises SettingsError. The library itself is imported by whoever reads: that can take seconds."""
    if find_spec(library) is None:
        raise SettingsError(f"{library} is not installed: pip install 'overheard[sources]'")


def since_days(asked: Asked) -> float:
    """How far back the first inspection goes: the option `since_days`, or one day. Raises DataError."""
    said = asked.options.get("since_days", "1")
    try:
        days = float(said)
    except ValueError:
        days = 0
    if not 0 < days <= 10_000:
        raise DataError(f"since_days is {said!r}: give the number of days that the first inspection goes back")
    return days


def since_of(state: Cursor) -> datetime:
    return datetime.fromisoformat(state["since"])


def at_rest(now: datetime) -> Cursor:
    """The state of a term that was read up to `now`."""
    return {"since": (now - OVERLAP).isoformat()}


def nonsense(item: Any, key: str, error: Exception) -> str:
    """Which item is left out, by its id as far as it has one, and why."""
    name = item.get(key) if isinstance(item, dict) else type(item).__name__
    return f"{name} makes no sense: {error!r}"


def read_terms(
    terms: Iterable[str], asked: Asked, cursor: Cursor, now: datetime, read: Callable[[str, Cursor], Iterator[Step]]
) -> Iterator[Page]:
    """All terms, the one that lags most first, so that none waits for ever; a post that several find comes once.

    read: the steps of one term from its state on; the last one has `unread` None. Terms that are new since the last
    inspection begin where a first inspection does, and those that are gone are forgotten.
    """
    known = cursor.get("terms", {})
    beginning = {"since": (now - timedelta(days=since_days(asked))).isoformat()}
    states = {term: known.get(term, beginning) for term in terms}
    waiting = sorted(states, key=lambda term: since_of(states[term]))
    seen: set[str] = set()
    while waiting:
        term = waiting.pop(0)
        for step in read(term, states[term]):
            states[term] = step.state
            posts = tuple(post for post in step.posts if post.external_id not in seen and _is_wanted(asked.topic, post))
            seen.update(post.external_id for post in posts)
            unread = _all_unread(step.unread, [states[other] for other in waiting], now)
            yield Page(posts, {"terms": dict(states)}, step.reposts, unread=unread, skipped=step.skipped)


def _is_wanted(topic: Topic, post: Post) -> bool:
    """The platform has found the term, in another form of the word, or in a picture's description of a post that says
    nothing: so only what is unwanted is looked for."""
    return bool(post.text) and is_spoken(topic, post.language) and is_about(replace(topic, terms=()), post.text)


def _all_unread(of_this_term: Span | None, of_others: list[Cursor], now: datetime) -> Span | None:
    spans = [Span(since_of(state), now, NOT_YET) for state in of_others]
    spans += [of_this_term] if of_this_term else []
    if not spans:
        return None
    return Span(min(span.since for span in spans), max(span.until for span in spans), NOT_YET)
