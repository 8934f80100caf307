"""Invented brands and installations for the tests of alert rules."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overheard.aggregates import HOUR, Summary, summary
from overheard.alerts.facts import BrandFacts, Counts, FeedFacts, MachineFacts
from overheard.estimates import Estimate, estimate

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
DAY = 24
Integers = NDArray[np.int64]


def calm(
    seed: int, per_day: float, days: int, share: float = 0.2, roughness: float = 0.0
) -> tuple[Integers, Integers, np.random.Generator]:
    """(posts, negative posts) of each hour of a brand with a rhythm of days and weeks, and the generator for more.

    roughness: coefficient of variation of the hours' rates, and a quarter of it that of the logits' share.
    """
    chance = np.random.default_rng(seed)
    hours = np.arange(days * DAY)
    rhythm = 1 + 0.7 * np.sin(2 * np.pi * (hours % DAY - 9) / DAY)
    week = np.where(hours // DAY % 7 >= 5, 0.6, 1.16)
    rates = per_day / DAY * rhythm * week
    shares = np.full(len(hours), share) + 0.03 * np.sin(2 * np.pi * hours / DAY)
    if roughness:
        rates = rates * chance.gamma(1 / roughness**2, roughness**2, len(hours))
        shares = np.clip(shares + chance.normal(0, roughness / 10, len(hours)), 0.01, 0.99)
    posts = chance.poisson(rates)
    return posts, chance.binomial(posts, shares), chance


def counts(posts: Integers, negative: Integers | None = None, **more: Any) -> Counts:
    """That end with the hour before NOW."""
    negative = np.zeros_like(posts) if negative is None else negative
    first = NOW - len(posts) * HOUR
    whole = {"models": ("m",), "scored": np.atleast_2d(posts), "negative": np.atleast_2d(negative)}
    return Counts(**{"first": first, "posts": posts, **whole, "is_complete": np.ones(len(posts), np.bool_), **more})


def scores(posts: int, negative: int) -> Summary:
    """Of posts that are read with little doubt."""
    rows = np.array([[0.9, 0.05, 0.05]] * negative + [[0.05, 0.6, 0.35]] * (posts - negative))
    return summary(rows.reshape(-1, 3))


def brand(counted: Counts, **more: Any) -> BrandFacts:
    """Facts whose estimates agree with the counts."""

    def estimated(since: datetime, until: datetime, model: str | None) -> Estimate:
        span = slice(max(0, counted.place(since)), counted.place(until))
        rows = slice(None) if model is None else counted.models.index(model)
        return estimate(scores(int(counted.scored[rows, span].sum()), int(counted.negative[rows, span].sum())))

    return BrandFacts(**{"brand_id": 1, "name": "Acme", "now": NOW, "counts": counted, "estimated": estimated, **more})


def feed(**more: Any) -> FeedFacts:
    facts = {"id": 7, "name": "rss:https://news.example", "brand_id": 1, "brand": "Acme", "state": "ok", "problem": ""}
    facts |= {"advice": "", "failures": 0, "is_pushed": False, "every": timedelta(minutes=5), "heard_all_at": NOW}
    return FeedFacts(**{**facts, **more})


def machine(**more: Any) -> MachineFacts:
    return MachineFacts(**{"now": NOW, "beat_at": NOW, "missing": {"scoring": None, "housekeeping": None}, **more})
