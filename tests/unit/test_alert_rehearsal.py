"""What rules would have done: how often they cry wolf in calm years, and how soon they find what was planted.

The figures in docs/alerts.md come from here; each brand has a rhythm of days and weeks.
"""

import time
from datetime import timedelta

import numpy as np
import pytest

from overheard.alerts import mood, rehearsal, volume
from overheard.alerts.options import BrandOptions
from overheard.alerts.rehearsal import Rehearsal
from overheard.errors import DataError
from tests.alerting import DAY, NOW, Integers, brand, calm, counts

DAYS = 365
WARM = 40
KINDS = ("negative_share", "volume_spike")


def year(kind: str, per_day: float, seed: int = 0, roughness: float = 0.0, **said: object) -> Rehearsal:
    posts, negative, _ = calm(seed, per_day, DAYS + WARM, roughness=roughness)
    return played(kind, posts, negative, DAYS, **said)


def played(kind: str, posts: Integers, negative: Integers, days: int, **said: object) -> Rehearsal:
    facts = brand(counts(posts, negative))
    return rehearsal.rehearse(facts, kind, said, NOW - timedelta(days=days), NOW)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("per_day", [24, 500, 5000])
def test_in_a_calm_year_a_default_rule_fires_at_most_once(kind: str, per_day: int) -> None:
    quiet = year(kind, per_day)
    assert len(quiet.fired) <= 1
    assert (quiet.hours, quiet.unknown_hours) == (DAYS * DAY, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rough_stream_does_not_cry_wolf_more_than_once_a_month(kind: str) -> None:
    """The rates of its hours vary by half beyond chance, and so do shares by five points."""
    assert year(kind, 500, seed=1, roughness=0.5).per_month <= 1


def planted(kind: str, per_day: float, seed: int, hours: int = 72) -> float:
    """Hours after which it is found that posts, or the share of negative ones, doubled; infinite: not in `hours`."""
    posts, negative, chance = calm(seed, per_day, WARM + 4)
    begin = WARM * DAY + seed * 5 % DAY
    if kind == "volume_spike":
        posts[begin:] += chance.poisson(posts[begin:] * 1.0)
        negative[begin:] = chance.binomial(posts[begin:], 0.2)
    else:
        negative[begin:] = chance.binomial(posts[begin:], 0.4)
    look = volume.look if kind == "volume_spike" else mood.look
    is_up = look(counts(posts, negative), np.arange(begin, begin + hours), BrandOptions()).is_up
    return float(is_up.argmax() + 1) if is_up.any() else np.inf


@pytest.mark.parametrize(
    ("kind", "per_day", "within"),
    [
        ("negative_share", 100, 40),
        ("negative_share", 500, 16),
        ("negative_share", 5000, 4),
        ("volume_spike", 100, 24),
        ("volume_spike", 500, 10),
        ("volume_spike", 5000, 2),
    ],
)
def test_a_planted_doubling_is_found_soon(kind: str, per_day: int, within: int) -> None:
    waits = [planted(kind, per_day, seed) for seed in range(9)]
    assert np.median(waits) <= within, waits


def test_a_crisis_fires_once_and_ends() -> None:
    posts, negative, chance = calm(3, 500, WARM + 20)
    span = slice((WARM + 10) * DAY, (WARM + 11) * DAY)
    posts[span] *= 3
    negative[span] = chance.binomial(posts[span], 0.6)
    for kind in KINDS:
        (fired,) = played(kind, posts, negative, 20).fired
        assert fired.since - (NOW - timedelta(days=10)) <= timedelta(hours=6), kind
        assert fired.until
        assert timedelta(hours=20) < fired.until - fired.since < timedelta(hours=40), kind


def test_a_higher_level_for_good_is_one_alert_and_then_how_things_are() -> None:
    posts, negative, chance = calm(4, 500, WARM + 60)
    negative[-50 * DAY :] = chance.binomial(posts[-50 * DAY :], 0.4)
    (fired,) = played("negative_share", posts, negative, 60).fired
    assert fired.until
    assert fired.until - fired.since < timedelta(days=45)


def test_a_gap_in_the_middle_of_a_crisis_does_not_end_it() -> None:
    posts, negative, chance = calm(5, 500, WARM + 10)
    span = slice(-5 * DAY, -4 * DAY)
    negative[span] = chance.binomial(posts[span], 0.6)
    (whole,) = played("negative_share", posts, negative, 10).fired
    facts = brand(counts(posts, negative))
    facts.counts.is_complete[-4 * DAY : -2 * DAY] = False
    (cut,) = rehearsal.rehearse(facts, "negative_share", {}, NOW - timedelta(days=10), NOW).fired
    assert whole.until
    assert cut.until
    assert whole.until <= NOW - timedelta(days=3)
    assert cut.until >= NOW - timedelta(days=1)


def test_a_year_of_hours_is_played_in_a_second() -> None:
    for kind in KINDS:
        began = time.process_time()
        year(kind, 500)
        assert time.process_time() - began < 1


def test_kinds_without_a_history_say_so() -> None:
    facts = brand(counts(*calm(1, 100, 40)[:2]))
    for kind in ("worker", "queue", "feed", "topic"):
        with pytest.raises(DataError, match=f"{kind} can't be rehearsed: "):
            rehearsal.rehearse(facts, kind, {}, NOW - timedelta(days=1), NOW)
