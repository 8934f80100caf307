"""Looks at an installation in the database: who looks, what is found, and what a look costs."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from overheard import rehearsing, standing, watching
from overheard.aggregates import summary
from overheard.alerts.facts import Seen
from overheard.brands import Spec
from overheard.errors import DataError, NotFound, SourceDown
from overheard.settings import Settings
from overheard.sources import parse
from overheard.standing import How, Standing
from overheard.store import brands, feeds, incidents, inspections, rules
from overheard.store.database import Database
from overheard.store.incidents import Outcome
from overheard.store.tables.alerting import Incident, Rule
from overheard.store.tables.counts import Hour
from overheard.store.tables.heard import Mention, Post, Score
from overheard.store.tables.work import Job
from tests.alerting import DAY, calm

NOW = datetime(2026, 6, 15, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
SETTINGS = Settings()


def seen(at: datetime, **more: int) -> Seen:
    """An installation that is well."""
    return Seen(is_reached=True, living={"scoring": 1, "housekeeping": 1, **more}, queues={"io": 0}, beat_at=at)


def look(database: Database, at: datetime, told: Seen | None = None) -> Outcome:
    return watching.look(database, SETTINGS, told or seen(at), at)


def alerts(database: Database) -> list[tuple[str, str, bool]]:
    """(kind, key, is open), the oldest first."""
    with database.read() as session:
        found: Sequence[tuple[Incident, Rule]] = incidents.page(session, None, None, None, 99)
    return [(rule.kind, incident.key, incident.resolved_at is None) for incident, rule in reversed(found)]


@pytest.fixture
def brand_id(either: Database) -> int:
    """A brand with forty calm days behind it."""
    posts, negative, _ = calm(1, 480, 40)
    with either.write() as session:
        brand, _ = brands.add(session, "Acme", Spec(), NOW - timedelta(days=40))
        for place in np.flatnonzero(posts):
            at = NOW.replace(minute=0) - (len(posts) - int(place)) * HOUR
            session.add(_hour(brand.id, at, int(posts[place]), int(negative[place])))
        return brand.id


def _hour(brand_id: int, hour: datetime, posts: int, negative: int, source: str = "rss") -> Hour:
    scores = np.array([[0.9, 0.05, 0.05]] * negative + [[0.05, 0.6, 0.35]] * (posts - negative)).reshape(-1, 3)
    told = summary(scores)
    called = dict(zip(("called_negative", "called_neutral", "called_positive"), told.called, strict=True))
    sums = dict(zip(("sum_negative", "sum_neutral", "sum_positive"), told.sums, strict=True))
    row = {"brand_id": brand_id, "hour": hour, "source": source, "model": "m", "posts": posts}
    return Hour(**row, moments=told.moments.pack(), **called, **sums)


def crisis(database: Database, brand_id: int, posts: int = 60) -> None:
    """In this hour, with texts: a lamp that burns."""
    with database.write() as session:
        session.add(_hour(brand_id, NOW.replace(minute=0), posts, posts, "x"))
        for number in range(posts + 60):
            is_old = number >= posts
            at = NOW - timedelta(days=2, minutes=number) if is_old else NOW - timedelta(seconds=number)
            text = f"my order {number} came late" if is_old else f"the lamp caught fire, recall it now, says {number}"
            post = {"source": "x", "external_id": str(number), "text": text, "details": {}, "posted_at": at}
            session.add(Post(id=number + 1, heard_at=at, **post))
            session.flush()
            session.add(Mention(brand_id=brand_id, posted_at=at, post_id=number + 1, source="x"))
            scores = {"negative": 0.9, "neutral": 0.05, "positive": 0.05}
            session.add(Score(post_id=number + 1, model="m", scored_at=at, **scores))


def test_a_well_installation_with_a_calm_brand_has_no_alert(either: Database, brand_id: int) -> None:
    for minute in range(0, 60, 10):
        assert look(either, NOW + timedelta(minutes=minute)) == Outcome()
    assert alerts(either) == []


def test_a_crisis_is_one_alert_with_its_words_and_examples(either: Database, brand_id: int) -> None:
    look(either, NOW - timedelta(minutes=5))
    crisis(either, brand_id)
    for minute in range(4):
        look(either, NOW + timedelta(minutes=minute))
    assert alerts(either) == [
        ("negative_share", f"brand:{brand_id}", True),
        ("volume_spike", f"brand:{brand_id}", True),
    ]
    with either.read() as session:
        ((incident, _),) = [row for row in incidents.page(session, None, brand_id, None, 9) if row[1].kind[0] == "n"]
    assert {"caught fire", "the lamp"} & set(incident.finding["words"])
    assert set(incident.finding["post_ids"]) <= set(range(1, 61))
    assert incident.finding["post_ids"]


def test_a_crisis_ends_when_it_is_over_but_not_while_a_feed_is_not_heard(either: Database, brand_id: int) -> None:
    with either.write() as session:
        feed, _ = feeds.add(session, brand_id, parse("rss:https://news.example/feed.xml"), 300, NOW)
        feed.complete_at, feed.state = NOW, "ok"
    crisis(either, brand_id)
    look(either, NOW)
    with either.write() as session:
        held = inspections.take(session, feed.id, NOW)
        assert held
        inspections.fail(session, held, SourceDown("rss", "no answer"), NOW + HOUR)
    later = NOW + timedelta(days=2)
    with either.write() as session:
        for hour in range(1, 50):
            session.add(_hour(brand_id, NOW.replace(minute=0) + hour * HOUR, 20, 4))
    for step in range(8):
        look(either, later + step * HOUR)
    still = {kind for kind, key, is_open in alerts(either) if is_open and key == f"brand:{brand_id}"}
    assert still == {"negative_share", "volume_spike"}
    with either.write() as session:
        held = inspections.take(session, feed.id, later)
        assert held
        inspections.finish(session, held, None, later + timedelta(hours=8))
    for step in range(9, 14):
        look(either, later + step * HOUR)
    assert not [kind for kind, key, is_open in alerts(either) if is_open and key == f"brand:{brand_id}"]


def standing_of(database: Database, at: datetime) -> dict[str, Standing]:
    """By the kind of rule."""
    with database.read() as session:
        found = standing.of_rules(session, SETTINGS, at)
        return {rule.kind: found[rule.id] for rule in rules.everyone(session)}


def test_rules_say_how_they_stand_and_unknown_is_not_calm(either: Database, brand_id: int) -> None:
    look(either, NOW)
    rules_now = standing_of(either, NOW)
    assert {one.how for one in rules_now.values()} == {How.calm}
    assert rules_now["negative_share"].looked_at == NOW
    assert standing_of(either, NOW + HOUR)["worker"].how is How.unknown  # nobody looked since
    with either.write() as session:
        feed, _ = feeds.add(session, brand_id, parse("rss:https://news.example/feed.xml"), 300, NOW)
        feed.state = "down"
    look(either, NOW + HOUR)
    told = standing_of(either, NOW + HOUR)
    assert (told["negative_share"].how, told["negative_share"].unknown) == (How.unknown, (brand_id,))
    assert told["queue"].how is How.calm


def test_a_rule_that_found_something_is_off_or_has_no_brand_says_so(either: Database) -> None:
    look(either, NOW)
    assert standing_of(either, NOW)["negative_share"].how is How.idle
    look(either, NOW, seen(NOW, scoring=0))
    for minute in (1, 4):
        at = NOW + timedelta(minutes=minute)
        look(either, at, seen(at, scoring=0))
    worker = standing_of(either, NOW + timedelta(minutes=4))["worker"]
    assert (worker.how, worker.open_alerts) == (How.found, 1)
    with either.write() as session:
        (rule_id,) = [rule.id for rule in rules.everyone(session) if rule.kind == "worker"]
        rules.change(session, rule_id, {"is_enabled": False}, NOW)
    assert standing_of(either, NOW)["worker"].how is How.off


def test_a_failing_feed_raises_an_alert_that_ends_when_it_is_heard_again(either: Database) -> None:
    with either.write() as session:
        brand, _ = brands.add(session, "Acme", Spec(), NOW)
        feed, _ = feeds.add(session, brand.id, parse("rss:https://news.example/feed.xml?key=s3cret"), 300, NOW)
        rules.ensure_defaults(session, NOW)
    for number in range(3):
        with either.write() as session:
            held = inspections.take(session, feed.id, NOW)
            assert held
            inspections.fail(session, held, SourceDown("rss", "no answer"), NOW + number * timedelta(minutes=5))
    look(either, NOW + timedelta(minutes=20))
    assert alerts(either) == [("feed", f"feed:{feed.id}", True)]
    with either.read() as session:
        ((incident, _),) = incidents.page(session, None, brand.id, None, 9)
    assert incident.finding["title"] == "Feed rss:https://news.example/feed.xml of Acme fails"
    with either.write() as session:
        held = inspections.take(session, feed.id, NOW)
        assert held
        inspections.finish(session, held, None, NOW + timedelta(minutes=30))
    look(either, NOW + timedelta(minutes=31))
    look(either, NOW + timedelta(minutes=37))
    assert alerts(either) == [("feed", f"feed:{feed.id}", False)]


def test_a_source_that_falls_silent_is_told_while_a_feed_listens_to_it(either: Database, brand_id: int) -> None:
    look(either, NOW)
    silent = NOW + timedelta(hours=9)
    look(either, silent)
    assert alerts(either) == []  # nobody listens there
    with either.write() as session:
        feed, _ = feeds.add(session, brand_id, parse("rss:https://news.example/feed.xml"), 300, NOW)
        feed.complete_at, feed.state = silent, "ok"
    look(either, silent + timedelta(minutes=20))
    assert alerts(either) == [("silence", f"brand:{brand_id}:rss", True)]


def test_failed_trainings_are_over_when_one_succeeds(either: Database) -> None:
    def train(number: int, state: str) -> None:
        error = {"title": "MemoryError", "detail": "out of memory"} if state == "failed" else None
        at = NOW + number * HOUR
        facts = {"kind": "training", "stage": state, "owner": "beat", "request_hash": "", "lease_until": at}
        with either.write() as session:
            session.add(Job(id=f"job{number}", state=state, error=error, created_at=at, finished_at=at, **facts))

    train(0, "failed")
    look(either, NOW)
    train(1, "failed")
    look(either, NOW + HOUR)
    assert alerts(either) == [("training", "training:job0", True), ("training", "training:job1", True)]
    train(2, "succeeded")
    look(either, NOW + 2 * HOUR)
    assert not any(is_open for _, _, is_open in alerts(either))


def test_a_worker_that_ends_is_missed_and_found_again(either: Database) -> None:
    look(either, NOW, seen(NOW, training=1))
    for minute in (1, 3, 5):
        at = NOW + timedelta(minutes=minute)
        look(either, at, seen(at, scoring=0))
    assert alerts(either) == [("worker", "scoring", True), ("worker", "training", True)]
    for minute in (6, 12):
        at = NOW + timedelta(minutes=minute)
        look(either, at, seen(at, training=1))
    assert not any(is_open for _, _, is_open in alerts(either))


def test_a_queue_that_only_grows_is_stuck_and_one_that_moves_is_not(either: Database) -> None:
    for minute in range(20):
        at = NOW + timedelta(minutes=minute)
        queues = {"io": 5 + minute, "scoring": 100 - minute % 3}
        look(either, at, Seen(True, {"scoring": 1, "housekeeping": 1}, queues, at))
    assert alerts(either) == [("queue", "queue:io", True)]


def test_when_nobody_looks_one_watchdog_does_and_finds_beat_silent(either: Database) -> None:
    look(either, NOW)
    soon, late = NOW + timedelta(seconds=100), NOW + timedelta(seconds=200)
    with either.read() as session:
        assert not watching.is_overdue(session, SETTINGS, soon)
        assert watching.is_overdue(session, SETTINGS, late)
    assert watching.stand_in(either, SETTINGS, seen(NOW), soon) is None
    assert watching.stand_in(either, SETTINGS, seen(NOW), late) == Outcome(opened=1)
    assert watching.stand_in(either, SETTINGS, seen(NOW), late) is None
    assert alerts(either) == [("worker", "beat", True)]


def test_redis_that_is_gone_is_told_and_nothing_is_forgotten_meanwhile(either: Database) -> None:
    look(either, NOW)
    look(either, NOW + timedelta(minutes=1), Seen(is_reached=False))
    assert alerts(either) == [("worker", "redis", True)]
    look(either, NOW + timedelta(minutes=2))
    look(either, NOW + timedelta(minutes=8))
    assert alerts(either) == [("worker", "redis", False)]


def test_a_look_is_done_once_by_whoever_is_first(either: Database, brand_id: int) -> None:
    crisis(either, brand_id)
    assert look(either, NOW).opened == 2
    assert look(either, NOW + timedelta(seconds=1)) == Outcome()


def test_a_disabled_or_deleted_rule_finds_nothing(either: Database, brand_id: int) -> None:
    with either.write() as session:
        rules.ensure_defaults(session, NOW)
        by_kind = {rule.kind: rule.id for rule in rules.everyone(session)}
        rules.change(session, by_kind["negative_share"], {"is_enabled": False}, NOW)
        rules.remove(session, by_kind["volume_spike"])
    crisis(either, brand_id)
    assert look(either, NOW) == Outcome()


def test_a_rule_is_rehearsed_on_what_is_stored(either: Database, brand_id: int) -> None:
    crisis(either, brand_id)
    with either.read() as session:
        since = NOW - timedelta(days=5)
        (fired,) = rehearsing.rehearse(session, "negative_share", brand_id, {}, since, NOW + HOUR).fired
        assert fired.since == NOW.replace(minute=0) + HOUR
        calm_before = rehearsing.rehearse(session, "negative_share", brand_id, {}, since, NOW - HOUR)
        assert (calm_before.fired, calm_before.hours) == ((), 5 * DAY - 1)
        with pytest.raises(NotFound):
            rehearsing.rehearse(session, "negative_share", 99, {}, since, NOW)
        with pytest.raises(DataError, match="no history"):
            rehearsing.rehearse(session, "worker", brand_id, {}, since, NOW)


def test_a_brand_that_can_not_be_read_does_not_keep_others_from_being_looked_at(
    either: Database, brand_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    crisis(either, brand_id)
    look(either, NOW)
    read = watching.counted.facts_of

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(watching.counted, "facts_of", broken)
    for day in range(1, 4):
        look(either, NOW + timedelta(days=day))
    assert all(is_open for _, key, is_open in alerts(either) if key == f"brand:{brand_id}")
    monkeypatch.setattr(watching.counted, "facts_of", read)
