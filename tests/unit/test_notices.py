"""The outbox: who is told what, once, and how often it is tried; on both databases."""

import threading
from datetime import datetime, timedelta

import pytest

from overheard.errors import Conflict, NotFound
from overheard.recipients import parse
from overheard.seal import Seal
from overheard.settings import Settings
from overheard.store import outbox, recipients
from overheard.store.database import Database
from overheard.store.outbox import LEASE_S, MAX_ATTEMPTS, Held, pause_s
from overheard.store.tables.alerting import Notice
from tests.incidents import NOW, add_brand, add_rule, open_incident, resolve

SEAL = Seal(b"a secret of the tests", "recipients")
SCHEMES = Settings().notify_schemes


class Box:
    """A database with a brand, a rule and recipients that a test adds."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.write() as session:
            self.brand_id, self.rule_id = add_brand(session), add_rule(session)

    def recipient(self, name: str = "ann", **wants: bool | int) -> int:
        target = parse(f"mailtos://u:secret@example.com/{name}@example.com", SCHEMES)
        with self.database.write() as session:
            return recipients.add(session, SEAL, name, target, NOW, **wants).id  # type: ignore[arg-type]

    def open(self, brand_id: int | None = None, key: str = "negative") -> int:
        with self.database.write() as session:
            return open_incident(session, self.rule_id, brand_id, key=key).id

    def resolve(self, incident_id: int) -> None:
        with self.database.write() as session:
            resolve(session, incident_id, NOW)

    def due(self, at: datetime = NOW) -> list[int]:
        with self.database.read() as session:
            return outbox.due(session, at)

    def take(self, recipient_id: int, at: datetime = NOW) -> Held | None:
        with self.database.write() as session:
            return outbox.take(session, recipient_id, at)

    def taken(self, recipient_id: int, at: datetime = NOW) -> Held:
        held = self.take(recipient_id, at)
        assert held
        return held

    def sent(self, held: Held, at: datetime = NOW) -> None:
        with self.database.write() as session:
            outbox.sent(session, held, at)

    def failed(self, held: Held, at: datetime = NOW) -> datetime | None:
        with self.database.write() as session:
            return outbox.failed(session, held, "no answer", at)

    def notices(self, recipient_id: int) -> list[Notice]:
        with self.database.read() as session:
            return outbox.newest(session, recipient_id, 99)


@pytest.fixture
def box(either: Database) -> Box:
    return Box(either)


def test_all_who_want_to_know_are_told_once_however_often_it_is_announced(box: Box) -> None:
    everything, of_brand = box.recipient("ann"), box.recipient("bob", brand_id=box.brand_id)
    digests = box.recipient("dot", wants_alerts=False)
    incident_id = box.open(box.brand_id)
    box.resolve(incident_id)
    box.resolve(incident_id)
    kinds = {one: sorted(notice.kind for notice in box.notices(one)) for one in (everything, of_brand, digests)}
    assert kinds == {everything: ["opened", "resolved"], of_brand: ["opened", "resolved"], digests: []}
    box.open(None, "installation")
    assert (len(box.notices(everything)), len(box.notices(of_brand))) == (3, 2)


def test_a_digest_goes_to_those_who_want_it_once_a_week(box: Box) -> None:
    wants, alone = box.recipient("ann"), box.recipient("bob", wants_digest=False)
    for week in ("2026-03-02", "2026-03-02", "2026-03-09"):
        with box.database.write() as session:
            assert outbox.announce_digest(session, box.brand_id, f"{box.brand_id}:{week}", {"week": week}, NOW) == 1
    assert [notice.body for notice in box.notices(wants)] == [{"week": "2026-03-09"}, {"week": "2026-03-02"}]
    assert box.notices(alone) == []


def test_what_somebody_sends_nobody_else_does_until_their_lease_has_run_out(box: Box) -> None:
    ann = box.recipient()
    box.open()
    held = box.taken(ann)
    assert box.due() == []
    assert box.take(ann) is None
    later = NOW + timedelta(seconds=LEASE_S + 1)
    again = box.taken(ann, later)
    assert again.notice.id == held.notice.id
    assert again.notice.attempts == 2
    box.failed(held, later)  # the first one awakes: its word no longer counts
    (notice,) = box.notices(ann)
    assert (notice.lease_until, notice.problem) == (again.lease_until, "")
    box.sent(again, later)
    (notice,) = box.notices(ann)
    assert (notice.sent_at, notice.lease_until) == (later, None)
    assert box.due(later + timedelta(days=9)) == []


def test_workers_that_come_at_once_never_take_one_notice_twice(box: Box) -> None:
    ann = box.recipient()
    for number in range(12):
        box.open(None, f"key {number}")
    taken: list[int] = []
    starts = threading.Barrier(4)

    def work() -> None:
        starts.wait()
        while held := box.take(ann):
            taken.append(held.notice.id)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(taken) == len(set(taken))
    rest: list[int] = []
    while held := box.take(ann):  # PostgreSQL passes over what another looks at
        rest.append(held.notice.id)
    assert len({*taken, *rest}) == len(taken) + len(rest) == 12


def test_a_notice_is_tried_for_a_day_later_and_later_and_then_given_up_where_all_can_see(box: Box) -> None:
    ann, at = box.recipient(), NOW
    box.open()
    pauses = []
    while again := box.failed(box.taken(ann, at), at):
        assert box.take(ann, again - timedelta(seconds=1)) is None
        pauses.append((again - at).total_seconds())
        at = again
    assert pauses[:4] == [30, 60, 120, 240]
    assert max(pauses) == 7200
    assert len(pauses) == MAX_ATTEMPTS - 1
    assert timedelta(hours=24) < at - NOW < timedelta(hours=25)
    assert box.due(at + timedelta(days=9)) == []
    with box.database.read() as session:
        listed = recipients.shown(session, ann)
        assert outbox.counts(session) == {"waiting": 0, "retrying": 0, "failed": 1}
    assert (listed.failed, listed.waiting, listed.problem) == (1, 0, "no answer")


def test_pauses_double_up_to_two_hours() -> None:
    assert [pause_s(attempts) for attempts in (1, 2, 8, 9, 20)] == [30, 60, 3840, 7200, 7200]


def test_no_end_is_told_before_its_beginning(box: Box) -> None:
    ann = box.recipient()
    incident_id = box.open()
    again = box.failed(box.taken(ann))
    assert again
    box.resolve(incident_id)
    assert box.take(ann) is None
    first = box.taken(ann, again)
    assert first.notice.kind == "opened"
    box.sent(first, again)
    assert box.taken(ann, again).notice.kind == "resolved"


def test_what_is_not_to_be_told_yet_waits(box: Box) -> None:
    ann = box.recipient()
    with box.database.write() as session:
        incident = open_incident(session, box.rule_id, key="quiet")
        incident.resolved_at = NOW
        session.flush()
        outbox.announce(session, incident, "resolved", NOW, NOW + timedelta(hours=8))
    box.sent(box.taken(ann))
    assert box.due() == []
    assert box.due(NOW + timedelta(hours=8)) == [ann]


def test_a_test_is_tried_once(box: Box) -> None:
    ann = box.recipient()
    with box.database.write() as session:
        outbox.add_test(session, ann, "1", NOW)
    assert box.failed(box.taken(ann)) is None
    (notice,) = box.notices(ann)
    assert (notice.failed_at, notice.problem) == (NOW, "no answer")


def test_a_new_address_is_tried_at_once_and_is_kept_sealed(box: Box) -> None:
    ann = box.recipient()
    box.open()
    box.failed(box.taken(ann))
    assert box.due() == []
    with box.database.write() as session:
        target = parse("slack://T1/A1/hush", SCHEMES)
        changed = recipients.change(session, ann, NOW, {"url": SEAL.close(target.url), "shown": target.shown})
        assert "hush" not in changed.url
        assert SEAL.open(changed.url) == "slack://T1/A1/hush"
    assert box.due() == [ann]


def test_names_are_taken_once_and_brands_exist(box: Box) -> None:
    ann, bob = box.recipient("ann"), box.recipient("bob")
    with pytest.raises(Conflict, match="another recipient is called 'ann'"):
        box.recipient("ann")
    with pytest.raises(Conflict, match="another recipient is called 'ann'"), box.database.write() as session:
        recipients.change(session, bob, NOW, {"name": "ann"})
    with pytest.raises(NotFound, match="no brand '99'"):
        box.recipient("cat", brand_id=99)
    with box.database.write() as session:
        recipients.remove(session, ann)
    with box.database.read() as session:
        assert [listed.recipient.name for listed in recipients.all_of_them(session)] == ["bob"]
        with pytest.raises(NotFound, match="no recipient"):
            recipients.get(session, ann)


def test_the_recipient_of_the_setting_is_made_once_and_follows_the_setting(box: Box) -> None:
    for url in ("slack://T1/A1/one", "slack://T1/A1/one", "slack://T1/A1/two"):
        with box.database.write() as session:
            recipients.ensure_default(session, SEAL, parse(url, SCHEMES), NOW)
            (listed,) = recipients.all_of_them(session)
            assert (listed.recipient.name, SEAL.open(listed.recipient.url)) == ("default", url)


def test_digests_and_tests_of_long_ago_are_deleted(box: Box) -> None:
    ann = box.recipient()
    box.open()
    with box.database.write() as session:
        outbox.add_test(session, ann, "1", NOW)
        outbox.announce_digest(session, box.brand_id, "1:week", {}, NOW)
    with box.database.write() as session:
        assert outbox.purge(session, NOW) == 0
        assert outbox.purge(session, NOW + timedelta(seconds=1)) == 2
    assert [notice.kind for notice in box.notices(ann)] == ["opened"]
