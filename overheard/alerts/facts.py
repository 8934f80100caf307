"""What rules look at: plain facts, read elsewhere, so that a rule is a function of them and can be rehearsed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from overheard.aggregates import HOUR
from overheard.alerts.finding import Finding
from overheard.budget import Forecast
from overheard.estimates import Estimate
from overheard.falls import Fall
from overheard.words import Grown

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Open = Mapping[str, datetime]
"""Key -> since when the rule has an open incident of it."""


@dataclass(frozen=True)
class Verdict:
    """What a rule says now. unknown: keys of which nothing can be said: that is neither found nor calm."""

    found: tuple[Finding, ...] = ()
    unknown: frozenset[str] = frozenset()

    def plus(self, other: "Verdict") -> "Verdict":
        return Verdict(self.found + other.found, self.unknown | other.unknown)


@dataclass(frozen=True)
class Counts:
    """A brand's hours, the oldest first, none left out; the last one may be under way.

    first: start of the first hour. posts (T,): posts. models (M,): versions, at least one. scored, negative (M, T):
    posts that each read, and those that it called negative. is_complete (T,): no feed has a gap in the hour.
    """

    first: datetime
    posts: Integers
    models: tuple[str, ...]
    scored: Integers
    negative: Integers
    is_complete: Flags

    def __len__(self) -> int:
        return len(self.posts)

    def place(self, at: datetime) -> int:
        """Which hour this time is in."""
        return (at - self.first) // HOUR

    def start(self, place: int) -> datetime:
        return self.first + place * HOUR

    def cut(self, since: int, until: int) -> "Counts":
        """The hours since <= place < until alone."""
        span = slice(since, until)
        rows = self.scored[:, span], self.negative[:, span]
        return Counts(self.start(since), self.posts[span], self.models, *rows, self.is_complete[span])


@dataclass(frozen=True)
class Topics:
    """What is in more posts of the last day than of the week before, the surest first. posts: how many were read."""

    posts: int
    grown: tuple[Grown, ...]


Estimated = Callable[[datetime, datetime, str | None], Estimate]
"""What the shares of a brand are believed to be from one hour to another, as one model version read it; None: all."""


@dataclass(frozen=True)
class BrandFacts:
    """Of one brand. estimated: asked only when it matters. topics, sources: only where a rule looks at them.

    sources: the hours of each source. unheard: what its feeds do not hear at present, for people.
    """

    brand_id: int
    name: str
    now: datetime
    counts: Counts
    estimated: Estimated
    topics: Topics | None = None
    sources: Mapping[str, Counts] = field(default_factory=dict)
    unheard: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"brand:{self.brand_id}"


@dataclass(frozen=True)
class FeedFacts:
    """How a feed does. name: as people write it. heard_all_at: up to when everything was read, at first since when it
    is there."""

    id: int
    name: str
    brand_id: int | None
    brand: str
    state: str
    problem: str
    advice: str
    failures: int
    is_pushed: bool
    every: timedelta
    heard_all_at: datetime

    @property
    def key(self) -> str:
        return f"feed:{self.id}"


@dataclass(frozen=True)
class Seen:
    """What Redis tells now. is_reached: it answered. living: kind of worker -> how many; queues: name -> messages;
    beat_at: when Beat last sent anything, None: never."""

    is_reached: bool
    living: Mapping[str, int] = field(default_factory=dict)
    queues: Mapping[str, int] = field(default_factory=dict)
    beat_at: datetime | None = None


@dataclass(frozen=True)
class Failed:
    """A training that came to no end."""

    job_id: str
    at: datetime
    title: str
    detail: str


@dataclass(frozen=True)
class Queue:
    """since: from then on it held messages at every look, and never fewer than at the look before."""

    length: int
    since: datetime


@dataclass(frozen=True)
class MachineFacts:
    """Of the installation. is_reached: Redis answered; else nothing is known of workers and queues.

    missing: kind of worker that is expected -> since when none lives; None: one does. beat_at: when Beat last sent
    anything. waiting_since: the oldest post that waits for its score came then. failed: trainings since the last that
    succeeded.
    """

    now: datetime
    is_reached: bool = True
    missing: Mapping[str, datetime | None] = field(default_factory=dict)
    beat_at: datetime | None = None
    queues: Mapping[str, Queue] = field(default_factory=dict)
    unscored: int = 0
    waiting_since: datetime | None = None
    failed: tuple[Failed, ...] = ()
    budgets: Mapping[str, Forecast] = field(default_factory=dict)
    feeds: tuple[FeedFacts, ...] = ()
    falls: tuple[Fall, ...] = ()
