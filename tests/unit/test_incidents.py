"""Incidents on both databases: opened once and told once, whoever looks; resolved; acknowledged; snoozed."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from overheard.alerts.facts import Verdict
from overheard.alerts.finding import Finding
from overheard.brands import Spec
from overheard.errors import Conflict, DataError, NotFound
from overheard.store import brands, incidents, rules
from overheard.store.database import Database
from overheard.store.incidents import Outcome
from overheard.store.rules import DEFAULTS, Told
from overheard.store.tables.alerting import Incident, Notice, Recipient, Rule

NOW = datetime(2026, 3, 28, 12, tzinfo=UTC)
CALM = Verdict()


@pytest.fixture
def rule(either: Database) -> Rule:
    """That somebody is told of; calm for five minutes is over, and an hour of rest follows."""
    with either.write() as session:
        session.add(_recipient("ops"))
        return rules.add(session, Told("Mine", "worker", cooldown_s=3600), NOW)


def _recipient(name: str, brand_id: int | None = None) -> Recipient:
    facts: dict[str, Any] = {"wants_alerts": True, "wants_digest": False, "created_at": NOW}
    return Recipient(name=name, url="sealed", shown="mailto://***", brand_id=brand_id, **facts)


def finding(key: str = "beat", title: str = "Beat is silent", **more: Any) -> Finding:
    return Finding(**{"key": key, "title": title, "said": "…", "since": NOW, "advice": "…", **more})


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def settle(either: Database, rule: Rule, minutes: float, *found: Finding, unknown: Sequence[str] = ()) -> Outcome:
    with either.write() as session:
        mine = rules.get(session, rule.id)
        return incidents.settle(session, mine, Verdict(found, frozenset(unknown)), at(minutes))


def notices(either: Database) -> list[tuple[str, datetime]]:
    with either.read() as session:
        rows = session.execute(select(Notice.kind, Notice.due_at).order_by(Notice.id))
        return [(kind, due_at) for kind, due_at in rows]


def test_what_lasts_is_one_incident_with_one_message_at_each_end(either: Database, rule: Rule) -> None:
    assert settle(either, rule, 0, finding()) == Outcome(opened=1, told=1)
    assert settle(either, rule, 1, finding(title="still silent")) == Outcome()
    assert settle(either, rule, 4) == Outcome()
    assert settle(either, rule, 7) == Outcome(resolved=1, told=1)
    assert settle(either, rule, 8) == Outcome()
    assert notices(either) == [("opened", at(0)), ("resolved", at(7))]
    with either.read() as session:
        ((incident, _),) = incidents.page(session, None, None, None, 9)
    assert (incident.finding["title"], incident.seen_at, incident.resolved_at) == ("still silent", at(1), at(7))


def test_unknown_is_not_calm(either: Database, rule: Rule) -> None:
    settle(either, rule, 0, finding())
    for minute in (10, 20, 30):
        assert settle(either, rule, minute, unknown=["beat"]) == Outcome()
    assert settle(either, rule, 32) == Outcome()
    assert settle(either, rule, 36) == Outcome(resolved=1, told=1)


def test_after_it_ended_it_rests_and_then_may_begin_again(either: Database, rule: Rule) -> None:
    settle(either, rule, 0, finding())
    settle(either, rule, 6)
    assert settle(either, rule, 30, finding()) == Outcome()
    assert settle(either, rule, 67, finding()).opened == 1


def test_two_workers_open_one_incident_and_tell_once(either: Database, rule: Rule) -> None:
    outcomes: list[Outcome] = []
    barrier = threading.Barrier(4)

    def look() -> None:
        barrier.wait()
        outcomes.append(settle(either, rule, 0, finding(), finding("scoring")))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcome.opened for outcome in outcomes) == 2
    assert [kind for kind, _ in notices(either)] == ["opened"] * 2


def test_a_worker_that_dies_in_between_leaves_nothing_half_done(either: Database, rule: Rule) -> None:
    with either.write() as session:
        incidents.settle(session, rules.get(session, rule.id), Verdict((finding(),)), NOW)
        session.rollback()
    assert notices(either) == []
    assert settle(either, rule, 0, finding()) == Outcome(opened=1, told=1)


def test_in_quiet_hours_nobody_is_told_unless_it_lasts(either: Database, rule: Rule) -> None:
    with either.write() as session:
        rules.change(session, rule.id, {"quiet": {"from": "11:00", "until": "13:00"}}, NOW)
    settle(either, rule, 0, finding())
    assert notices(either) == [("opened", at(60))]
    assert settle(either, rule, 10) == Outcome(resolved=1)
    assert notices(either) == []
    settle(either, rule, 72, finding())
    assert notices(either) == [("opened", at(72))]


def test_a_snoozed_rule_opens_nothing_and_still_ends_what_is_open(either: Database, rule: Rule) -> None:
    settle(either, rule, 0, finding())
    with either.write() as session:
        rules.change(session, rule.id, {"snoozed_until": at(60)}, NOW)
    assert settle(either, rule, 10, finding("scoring")) == Outcome(resolved=1, told=1)
    assert settle(either, rule, 61, finding("scoring")).opened == 1


def test_a_snoozed_alert_is_told_later_and_not_at_all_when_it_is_over_by_then(either: Database, rule: Rule) -> None:
    settle(either, rule, 0, finding())
    with either.write() as session:
        ((incident, _),) = incidents.page(session, "open", None, None, 9)
        incidents.snooze(session, incident.id, at(120))
    assert notices(either) == [("opened", at(120))]
    assert settle(either, rule, 10) == Outcome(resolved=1)
    assert notices(either) == []
    with pytest.raises(Conflict), either.write() as session:
        incidents.snooze(session, incident.id, at(120))


def test_the_first_who_acknowledges_is_kept(either: Database, rule: Rule) -> None:
    settle(either, rule, 0, finding())
    with either.write() as session:
        ((incident, _),) = incidents.page(session, None, None, None, 9)
        incidents.acknowledge(session, incident.id, "ann", at(1))
        incidents.acknowledge(session, incident.id, "bob", at(2))
    with either.read() as session:
        seen, _ = incidents.get(session, incident.id)
    assert (seen.acknowledged_by, seen.acknowledged_at) == ("ann", at(1))
    with pytest.raises(NotFound), either.write() as session:
        incidents.acknowledge(session, 99, "ann", NOW)


def test_disabling_a_rule_ends_its_alerts_and_removing_it_takes_them_along(either: Database, rule: Rule) -> None:
    settle(either, rule, 0, finding())
    with either.write() as session:
        rules.change(session, rule.id, {"is_enabled": False}, at(1))
    with either.read() as session:
        assert incidents.page(session, "open", None, None, 9) == []
        assert len(incidents.page(session, "resolved", None, None, 9)) == 1
        assert rules.enabled(session) == []
    with either.write() as session:
        rules.remove(session, rule.id)
    with either.read() as session:
        assert session.scalar(select(func.count()).select_from(Incident)) == 0
    with pytest.raises(NotFound), either.write() as session:
        rules.remove(session, rule.id)


def test_pages_hold_each_alert_once_newest_first(either: Database, rule: Rule) -> None:
    for number in range(5):
        settle(either, rule, number, *(finding(f"key{old}") for old in range(number + 1)))
    seen, after = [], None
    with either.read() as session:
        while page := incidents.page(session, "open", None, after, 2):
            seen += [incident.key for incident, _ in page]
            after = (page[-1][0].opened_at, page[-1][0].id)
    assert seen == ["key4", "key3", "key2", "key1", "key0"]


def test_only_those_who_want_a_brand_are_told_of_it_and_it_takes_its_alerts_along(either: Database, rule: Rule) -> None:
    with either.write() as session:
        mine, other = (brands.add(session, name, Spec(), NOW)[0] for name in ("Acme", "Other"))
        session.add_all([_recipient("acme", mine.id), _recipient("other", other.id)])
        mood = rules.add(session, Told("Mood", "negative_share", brand_id=mine.id), NOW)
    assert settle(either, mood, 0, finding(f"brand:{mine.id}", brand_id=mine.id)).told == 2
    with either.read() as session:
        assert len(incidents.page(session, None, mine.id, None, 9)) == 1
    brands.remove(either, mine.id)
    with either.read() as session:
        assert incidents.page(session, None, None, None, 9) == []
        assert [left.name for left in rules.everyone(session)] == ["Mine"]


def test_an_installation_begins_with_rules_and_a_deleted_one_stays_deleted(either: Database) -> None:
    for _ in range(2):
        with either.write() as session:
            rules.ensure_defaults(session, NOW)
    with either.write() as session:
        made = rules.everyone(session)
        assert {(made_rule.name, made_rule.kind) for made_rule in made} == set(DEFAULTS.items())
        assert all(made_rule.is_enabled and made_rule.brand_id is None for made_rule in made)
        rules.remove(session, made[0].id)
    with either.write() as session:
        rules.ensure_defaults(session, NOW)
        assert len(rules.everyone(session)) == len(DEFAULTS) - 1


def test_a_rule_that_makes_no_sense_is_refused(either: Database, rule: Rule) -> None:
    for told in (
        Told("A", "mood"),
        Told("A", "worker", options={"min_posts": 3}),
        Told("A", "worker", quiet={"from": "1"}),
        Told("A", "worker", brand_id=1),
    ):
        with pytest.raises(DataError), either.write() as session:
            rules.add(session, told, NOW)
    with pytest.raises(NotFound), either.write() as session:
        rules.add(session, Told("A", "negative_share", brand_id=99), NOW)
    with pytest.raises(Conflict), either.write() as session:
        rules.add(session, Told("Mine", "worker"), NOW)
