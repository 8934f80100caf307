"""What rules look at: plain facts, read elsewhere, so that a rule is a function of them and can be rehearsed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from overheard.alerts.finding import Finding
from overheard.budget import Forecast

HOUR: Final = timedelta(hours=1)
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

    first: start of the first hour. posts (T,): posts. models (M,): versions. scored, negative (M, T): posts that each
    read, and those that it called negative. is_complete (T,): no feed of the brand has a gap in the hour.
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


@dataclass(frozen=True)
class Grown:
    """How often a word was in the posts of the last day, and in those of the days before. (texts that hold it)"""

    word: str
    now: int
    before: int


@dataclass(frozen=True)
class Words:
    """Words of a brand's posts. now, before: how many texts were read."""

    now: int
    before: int
    grown: tuple[Grown, ...]


@dataclass(frozen=True)
class BrandFacts:
    """Of one brand. words: only where a rule asks for them. unheard: what its feeds do not hear, for people."""

    brand_id: int
    name: str
    now: datetime
    counts: Counts
    words: Words | None = None
    unheard: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"brand:{self.brand_id}"


@dataclass(frozen=True)
class FeedFacts:
    """How a feed does. name: its source as people write it. quiet: posts of its source of late, where they stopped."""

    id: int
    name: str
    source: str
    brand_id: int | None
    brand: str
    state: str
    problem: str
    advice: str
    failures: int
    is_pushed: bool
    due_at: datetime
    heard_all_at: datetime
    """Up to when everything was read; when it was added, before that."""


@dataclass(frozen=True)
class Failed:
    """A training that came to no end."""

    job_id: str
    at: datetime
    title: str
    detail: str


@dataclass(frozen=True)
class Queue:
    """since: from then on it held messages, and at no look fewer than at the look before."""

    length: int
    since: datetime


@dataclass(frozen=True)
class MachineFacts:
    """Of the installation. reached: whether Redis answered; where not, nothing is known of workers and queues.

    workers: kind -> how many live, of the kinds that are expected. beat_at: when Beat last sent something; None: it is
    not known. oldest_unscored: since when a post waits for its score. failed: trainings since the last that succeeded.
    """

    now: datetime
    reached: bool
    workers: Mapping[str, int] = field(default_factory=dict)
    beat_at: datetime | None = None
    queues: Mapping[str, Queue] = field(default_factory=dict)
    unscored: int = 0
    oldest_unscored: datetime | None = None
    failed: tuple[Failed, ...] = ()
    budgets: Mapping[str, Forecast] = field(default_factory=dict)
    feeds: tuple[FeedFacts, ...] = ()
    falls: tuple[Finding, ...] = ()
