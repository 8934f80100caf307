"""Paid reads: spread over the month and the feeds, stopped hard, and foreseen."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from overheard.budget import Budget, Spent, allowance, forecast

BUDGET = Budget(month=3000, cost=0.005)
FIRST_OF_JUNE = datetime(2026, 6, 1, 9, tzinfo=UTC)
NOTHING = Spent(0, {}, 0)


def test_a_month_is_spread_over_its_days_and_feeds() -> None:
    assert allowance(BUDGET, NOTHING, feed_id=1, feeds=1, now=FIRST_OF_JUNE) == 100
    assert allowance(BUDGET, NOTHING, feed_id=1, feeds=4, now=FIRST_OF_JUNE) == 25
    assert allowance(BUDGET, Spent(0, {1: 20}, 0), feed_id=1, feeds=4, now=FIRST_OF_JUNE) == 5
    assert allowance(BUDGET, Spent(0, {1: 25}, 0), feed_id=1, feeds=4, now=FIRST_OF_JUNE) == 0


def test_what_was_saved_is_there_later() -> None:
    late = FIRST_OF_JUNE.replace(day=30)
    assert allowance(BUDGET, Spent(1000, {}, 0), feed_id=1, feeds=1, now=late) == 2000


@given(
    spends=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 400)), max_size=200),
    month=st.integers(0, 5000),
)
def test_a_month_never_costs_more_than_its_budget(spends: list[tuple[int, int]], month: int) -> None:
    """However the feeds ask, and in whatever order; each reads what it is allowed, or less."""
    budget, before, today, now = Budget(month), 0, dict[int, int](), FIRST_OF_JUNE
    for place, (feed_id, wish) in enumerate(spends):
        if place % 7 == 6 and now.day < 30:
            now, before, today = now + timedelta(days=1), before + sum(today.values()), {}
        read = min(wish, allowance(budget, Spent(before, today, 0), feed_id, 5, now))
        today[feed_id] = today.get(feed_id, 0) + read
    assert before + sum(today.values()) <= month


def test_the_forecast_goes_on_as_the_last_days_went_and_stops_at_the_budget() -> None:
    middle = FIRST_OF_JUNE.replace(day=15)
    calm = forecast(BUDGET, Spent(700, {1: 50}, recent=350), middle)
    assert (calm.spent, calm.reads, calm.dollars, calm.is_short) == (750, 1500, 7.5, False)
    busy = forecast(BUDGET, Spent(1400, {1: 100}, recent=1400), middle)
    assert (busy.reads, busy.is_short) == (3000, True)
    first_day = forecast(BUDGET, Spent(0, {1: 10}, recent=0), FIRST_OF_JUNE)
    assert first_day.reads == 300
