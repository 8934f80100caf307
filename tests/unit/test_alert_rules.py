"""Each kind of rule: what it finds, what it leaves alone, and of what it says that it does not know."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from overheard.alerts.facts import BrandFacts, Failed, MachineFacts, Queue, Topics, Verdict
from overheard.alerts.options import BrandOptions
from overheard.alerts.rules import KINDS, options_of
from overheard.budget import Forecast
from overheard.errors import DataError
from overheard.falls import Fall, Run
from overheard.words import Grown
from tests.alerting import DAY, NOW, brand, calm, counts, feed, machine

KEY = "brand:1"


def look(kind: str, facts: BrandFacts | MachineFacts, opened: dict[str, Any] | None = None, **said: Any) -> Verdict:
    found = KINDS[kind].find(facts, options_of(kind, said), opened or {})  # type: ignore[operator, arg-type]
    assert isinstance(found, Verdict)
    return found


def titles(verdict: Verdict) -> list[str]:
    return [finding.title for finding in verdict.found]


def crisis(per_day: int = 480, share: float = 0.6, hours: int = 6) -> BrandFacts:
    """A brand whose last hours are far more negative than its weeks before."""
    posts, negative, chance = calm(1, per_day, 40)
    negative[-hours:] = chance.binomial(posts[-hours:], share)
    return brand(counts(posts, negative))


def test_a_share_that_rose_is_found_with_how_sure_that_is() -> None:
    (found,) = look("negative_share", crisis()).found
    assert (found.key, found.brand_id) == (KEY, 1)
    assert found.title.startswith("Acme: ")
    assert "in the four weeks before it was 19%" in found.said
    assert "Corrected for what it errs" in found.said
    assert NOW - found.since <= timedelta(hours=24)


def test_the_bound_decides_and_not_the_point() -> None:
    """Half of 20 posts against a fifth before is no proof; half of 400 is."""
    posts, negative, _ = calm(2, 480, 40)
    posts[-6:], negative[-6:] = [3, 3, 3, 3, 4, 4], [1, 2, 1, 2, 2, 2]
    assert look("negative_share", brand(counts(posts, negative)), min_posts=5) == Verdict()
    posts[-6:], negative[-6:] = 66, 33
    assert look("negative_share", brand(counts(posts, negative))).found


def test_more_sensitive_rules_find_smaller_rises() -> None:
    posts, negative, _ = calm(3, 480, 40)
    negative[-24:] = np.rint(posts[-24:] * 0.33)
    found = {
        word: bool(look("negative_share", brand(counts(posts, negative)), sensitivity=word).found)
        for word in ("low", "medium", "high")
    }
    assert found == {"low": False, "medium": True, "high": True}


def test_a_gap_is_unknown_and_not_calm() -> None:
    calm_days = counts(*calm(4, 480, 40)[:2])
    assert look("negative_share", brand(calm_days)) == Verdict()
    calm_days.is_complete[-3] = False
    for kind in ("negative_share", "volume_spike"):
        assert look(kind, brand(calm_days)) == Verdict(unknown=frozenset({KEY})), kind


def test_a_crisis_is_told_although_something_is_missing() -> None:
    facts = crisis()
    facts.counts.is_complete[-1] = False
    (found,) = look("negative_share", replace(facts, unheard=("rss is down",))).found
    assert "Not everything was heard: rss is down" in found.said


def test_posts_without_scores_are_unknown() -> None:
    posts, negative, _ = calm(5, 480, 40)
    scored = posts.copy()
    scored[-2:] = 0
    facts = brand(counts(posts, np.minimum(negative, scored), scored=scored[None]))
    assert look("negative_share", facts).unknown == {KEY}


def test_without_a_past_nothing_is_said() -> None:
    posts, negative, _ = calm(6, 24, 3)
    negative[-12:] = posts[-12:]
    assert look("negative_share", brand(counts(posts, negative))) == Verdict(unknown=frozenset({KEY}))


def test_an_open_incident_goes_on_until_the_share_is_back() -> None:
    opened = {KEY: NOW - timedelta(hours=6)}
    posts, negative, _ = calm(7, 480, 40)
    negative[-6:] = np.rint(posts[-6:] * 0.33)  # no longer proof enough to begin with
    still = brand(counts(posts, negative))
    assert not look("negative_share", still).found
    assert look("negative_share", still, opened).found
    over = brand(counts(*calm(7, 480, 40)[:2]))
    assert look("negative_share", over, opened) == Verdict()


def test_another_model_that_calls_more_posts_negative_is_no_crisis() -> None:
    """The new version reads since this morning, and calls a few points more negative: people say the same."""
    posts, negative, chance = calm(8, 480, 40)
    scored = np.stack([posts, np.zeros_like(posts)])
    called = np.stack([negative, np.zeros_like(posts)])
    last = slice(-8, None)
    scored[:, last] = scored[::-1, last]
    called[0, last], called[1, last] = 0, chance.binomial(posts[last], 0.27)
    facts = brand(counts(posts, models=("old", "new"), scored=scored, negative=called))
    assert not look("negative_share", facts).found
    called[1, last] = chance.binomial(posts[last], 0.7)
    (found,) = look("negative_share", facts).found
    assert "Another version read most posts before that" in found.said


def test_estimates_that_do_not_agree_keep_a_rule_silent() -> None:
    facts = crisis()
    steady = replace(facts, estimated=lambda since, until, model: facts.estimated(NOW - timedelta(days=30), NOW, model))
    assert look("negative_share", facts).found
    assert not look("negative_share", steady).found


def test_a_spike_is_found_and_a_busy_hour_as_every_week_is_not() -> None:
    posts, _, _ = calm(9, 480, 40)
    assert look("volume_spike", brand(counts(posts))) == Verdict()
    weekly = posts.copy()
    for week in range(5):
        weekly[len(posts) - 1 - week * 7 * DAY] += 150  # a programme on the same evening
    assert look("volume_spike", brand(counts(weekly))) == Verdict()
    posts[-1] += 150
    (found,) = look("volume_spike", brand(counts(posts))).found
    assert "in the last hour" in found.title
    assert "times as many as usual" in found.title


def test_a_spike_of_few_posts_is_none() -> None:
    posts = np.zeros(40 * DAY, np.int64)
    posts[::12] = 1
    posts[-1] = 20
    assert not look("volume_spike", brand(counts(posts))).found
    assert look("volume_spike", brand(counts(posts)), min_posts=20).found


def test_a_brand_with_a_week_behind_it_is_compared_with_its_days() -> None:
    posts, _, _ = calm(10, 480, 8)
    posts[-1] += 300
    assert look("volume_spike", brand(counts(posts))).found
    young, _, _ = calm(10, 480, 3)
    assert look("volume_spike", brand(counts(young))).unknown == {KEY}


def test_a_source_that_falls_silent_is_found_unless_it_often_is() -> None:
    posts, _, _ = calm(11, 480, 40)
    busy, seldom = counts(posts), counts(np.where(np.arange(len(posts)) % 50 == 0, 1, 0))
    busy.posts[-8:], seldom.posts[-40:] = 0, 0
    (found,) = look("silence", brand(busy, sources={"rss": busy, "x": seldom, "file": busy})).found
    assert found.title == "Acme: nothing from rss for 7 hours"
    assert "silence is not calm" in found.said


def test_a_topic_that_explodes_is_named() -> None:
    facts = brand(counts(*calm(12, 480, 40)[:2]))
    grown = (
        Grown("battery fire", 0.002, 0.12, 9.0),
        Grown("battery", 0.01, 0.14, 8.0),
        Grown("monday", 0.05, 0.09, 4.6),
    )
    (found,) = look("topic", replace(facts, topics=Topics(400, grown))).found
    assert found.words == ("battery fire", "battery")
    assert "12% of 400 posts" in found.said
    assert look("topic", replace(facts, topics=Topics(10, grown))) == Verdict()
    assert look("topic", facts).unknown == {KEY}


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"state": "down", "failures": 3, "problem": "no answer"}, "fails"),
        ({"state": "down", "failures": 1}, ""),
        ({"state": "refused", "problem": "bad key", "advice": "renew it"}, "fails"),
        ({"state": "busy", "heard_all_at": NOW - timedelta(hours=3)}, "is behind"),
        ({"heard_all_at": NOW - timedelta(hours=3)}, "is behind"),
        ({"heard_all_at": NOW - timedelta(hours=3), "is_pushed": True}, ""),
        ({"heard_all_at": NOW - timedelta(hours=3), "every": timedelta(hours=1)}, ""),
        ({"state": "paused", "heard_all_at": NOW - timedelta(days=3)}, ""),
    ],
)
def test_a_feed_that_is_not_heard_is_told(state: dict[str, Any], told: str) -> None:
    verdict = look("feed", machine(feeds=(feed(**state),)))
    assert titles(verdict) == ([f"Feed rss:https://news.example of Acme {told}"] if told else [])
    for found in verdict.found:
        assert "silence is not calm" in found.said
        assert state.get("advice", "overheard feeds list") in found.advice


def test_workers_and_beat_that_are_gone_for_a_while_are_missed() -> None:
    gone = machine(missing={"scoring": NOW - timedelta(minutes=4), "housekeeping": NOW - timedelta(seconds=20)})
    assert titles(look("worker", gone)) == ["Nothing is scored: no scoring worker lives"]
    assert titles(look("worker", machine(beat_at=NOW - timedelta(minutes=4)))) == ["Beat is silent"]
    assert look("worker", machine()) == Verdict()


def test_when_redis_is_gone_nobody_claims_to_know_of_workers() -> None:
    verdict = look("worker", machine(is_reached=False, missing={"scoring": NOW - timedelta(minutes=9)}))
    assert titles(verdict) == ["Redis does not answer"]
    assert {"scoring", "beat"} <= verdict.unknown
    stuck = look("queue", machine(is_reached=False), {"queue:io": NOW})
    assert stuck == Verdict(unknown=frozenset({"queue:io"}))


def test_a_queue_that_never_shrinks_and_posts_that_wait_are_found() -> None:
    queues = {"io": Queue(9, NOW - timedelta(minutes=20)), "scoring": Queue(50, NOW - timedelta(minutes=1))}
    assert titles(look("queue", machine(queues=queues))) == ["Queue io is stuck"]
    waiting = machine(unscored=5, waiting_since=NOW - timedelta(hours=1))
    assert titles(look("queue", waiting)) == ["Posts wait for their scores"]


def test_each_failed_training_is_told_once() -> None:
    failed = [Failed(f"job{number}", NOW, "MemoryError", "out of memory.") for number in range(2)]
    found = look("training", machine(failed=tuple(failed))).found
    assert [one.key for one in found] == ["training:job0", "training:job1"]
    assert found[0].links == {"job": "/jobs/job0"}


def test_a_model_that_became_worse_is_told_with_both_runs() -> None:
    run = Run("v1", "job1", NOW, 900, 0.70, 0.66, 0.01, 0.01, {"model": "/models/v1"})
    worse = replace(run, version="v2", accuracy=0.6, links={"model": "/models/v2"})
    fall = Fall("service", "accuracy", 0.1, 0.07, 0.05, run, worse)
    (found,) = look("accuracy", machine(falls=(fall,))).found
    assert found.title == "The accuracy of the model in service fell by 10.0 points"
    assert found.links == {"best model": "/models/v1", "newest model": "/models/v2"}


def test_a_budget_is_told_once_a_month_when_it_is_nearly_spent() -> None:
    told = {"x": Forecast(spent=9_100, reads=10_000, budget=10_000, dollars=50.0, is_short=True)}
    (found,) = look("budget", machine(budgets=told)).found
    assert found.key == "budget:x:2026-06"
    assert not look("budget", machine(budgets={"x": replace(told["x"], spent=8_000)})).found
    assert look("budget", machine(budgets={"x": replace(told["x"], spent=8_000)}), sensitivity="high").found


def test_options_that_a_kind_does_not_know_are_refused() -> None:
    for kind, said in (("worker", {"min_posts": 9}), ("volume_spike", {"sensitivity": "extreme"}), ("mood", {})):
        with pytest.raises(DataError):
            options_of(kind, said)
    assert options_of("volume_spike", {}) == BrandOptions()
