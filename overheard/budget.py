"""How many paid reads a feed may make now: a month's budget, spread over its days and over the feeds that share it."""

import calendar
from dataclasses import dataclass
from datetime import datetime

from overheard.settings import Settings

BUDGETED = ("x",)
"""Sources whose reads cost money."""
RECENT_DAYS = 7
"""A forecast goes on as the last days went."""


@dataclass(frozen=True)
class Budget:
    """Of a source and a month. month: reads allowed; cost: dollars per read."""

    month: int
    cost: float = 0.0


@dataclass(frozen=True)
class Spent:
    """Reads of one source. before_today: this month's until midnight (UTC); today: by feed; recent: by all feeds in
    the RECENT_DAYS days before today."""

    before_today: int
    today: dict[int, int]
    recent: int

    @property
    def month(self) -> int:
        return self.before_today + sum(self.today.values())


@dataclass(frozen=True)
class Forecast:
    """Until the month's end. reads never exceed the budget: it stops hard."""

    spent: int
    reads: int
    budget: int
    dollars: float
    is_short: bool
    """Whether the reads of the last days, if they went on so, would exceed the budget."""


def budget_of(source: str, settings: Settings) -> Budget | None:
    """None: its reads are free."""
    return Budget(settings.x_monthly_reads, settings.x_read_cost) if source in BUDGETED else None


def allowance(budget: Budget, spent: Spent, feed_id: int, feeds: int, now: datetime) -> int:
    """Reads that this feed may make now.

    What is left of the month is spread evenly over the days left, a day's share evenly over `feeds`; what a feed does
    not use stays in the month. Never more than the month has left.
    """
    days_left = _days_in_month(now) - now.day + 1
    today = max(0, budget.month - spent.before_today) / days_left
    share = int(today / max(feeds, 1)) - spent.today.get(feed_id, 0)
    return max(0, min(share, budget.month - spent.month))


def forecast(budget: Budget, spent: Spent, now: datetime) -> Forecast:
    """What the month comes to if its days left are like the last RECENT_DAYS (or like today, when it began to read)."""
    days = _days_in_month(now)
    daily = max(spent.recent / RECENT_DAYS, sum(spent.today.values()) if not spent.recent else 0)
    wished = spent.month + daily * (days - now.day)
    reads = int(min(wished, max(budget.month, spent.month)))
    return Forecast(spent.month, reads, budget.month, round(reads * budget.cost, 2), wished > budget.month)


def _days_in_month(now: datetime) -> int:
    return calendar.monthrange(now.year, now.month)[1]
