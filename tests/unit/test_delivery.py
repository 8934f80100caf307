"""Notices get to real servers, once; what is down holds up nobody else; and nothing goes where it should not."""

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from overheard.alerts import outside
from overheard.alerts.message import Message
from overheard.alerts.notify import Delivery, Send
from overheard.errors import DataError, NotDelivered
from overheard.recipients import parse, seal_of
from overheard.settings import Settings
from overheard.store import outbox, recipients
from overheard.store.database import Database, migrate
from overheard.store.tables.alerting import Notice
from tests.incidents import add_brand, add_rule, open_incident
from tests.mailbox import Hook, Mailbox
from tests.stack import eventually

BRIEF = Message("id-1", "a subject", "a text", "<p>HTML</p>", "in brief", facts={"kind": "test"})


def settings_in(folder: Path, **more: str) -> Settings:
    return Settings(home=folder, secret="a secret of the tests", **{"notify_hosts": "127.0.0.1", **more})  # type: ignore[arg-type]


class House:
    """A database with a rule, recipients that a test adds, and a way to send that it can choose."""

    def __init__(self, folder: Path) -> None:
        self.settings = settings_in(folder)
        migrate(self.settings.sql_url)
        self.database = Database(self.settings.sql_url)
        with self.database.write() as session:
            self.rule_id, self.brand_id = add_rule(session), add_brand(session)

    def recipient(self, name: str, url: str) -> int:
        target = parse(url, self.settings.notify_schemes)
        with self.database.write() as session:
            return recipients.add(session, seal_of(self.settings), name, target, datetime.now(UTC)).id

    def open(self, key: str = "negative") -> None:
        with self.database.write() as session:
            open_incident(session, self.rule_id, None, datetime.now(UTC), key=key)

    def deliver(self, send: Send = outside.send) -> int:
        return Delivery(self.database, self.settings, send).run()

    def make_due(self) -> None:
        """As if their time had come."""
        with self.database.write() as session:
            session.execute(update(Notice).values(due_at=datetime.now(UTC) - timedelta(seconds=1)))

    def notices(self, recipient_id: int) -> list[Notice]:
        with self.database.read() as session:
            return outbox.newest(session, recipient_id, 99)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.database.engine.dispose()


def down(*urls: str) -> Send:
    """Sends to all but these."""

    def send(_: Settings, url: str, message: Message) -> str:
        if url in urls:
            raise NotDelivered("no answer")
        return ""

    return send


def test_a_mail_server_that_was_away_gets_the_notice_once_when_it_is_back(house: House) -> None:
    box = Mailbox()
    ann = house.recipient("ann", box.url())
    house.open()
    assert house.deliver() == 0
    (notice,) = house.notices(ann)
    assert (notice.attempts, notice.sent_at) == (1, None)
    assert f"127.0.0.1:{box.port}" in notice.problem
    with box:
        assert house.deliver() == 0  # its next attempt is not due yet
        house.make_due()
        assert house.deliver() == 1
        house.make_due()
        assert house.deliver() == 0
    (mail,) = box.mails
    assert mail["Subject"] == "[Overheard] Negative posts about Acme are up: 41 % of 120"
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert house.notices(ann)[0].problem == ""


def test_of_several_addresses_a_refused_one_is_told_and_the_others_are_not_sent_twice(house: House) -> None:
    with Mailbox() as box:
        box.refused.add("gone@example.com")
        team = house.recipient("team", box.url("ann@example.com", "gone@example.com", "bob@example.com"))
        house.open()
        assert house.deliver() == 1
        house.make_due()
        assert house.deliver() == 0
    assert box.sent_to == [["ann@example.com", "bob@example.com"]]
    assert house.notices(team)[0].problem == "gone@example.com was refused (550)"


def test_a_webhook_gets_facts_and_a_key_by_which_it_knows_what_comes_again(house: House) -> None:
    with Hook() as hook:
        house.recipient("program", hook.url() + "?+Authorization=Bearer%20hush")
        house.open()
        assert house.deliver() == 1
    (body,), (headers,) = hook.bodies, hook.headers
    assert (body["overheard"]["kind"], body["overheard"]["words"]) == ("opened", ["battery", "recall"])
    assert headers["Idempotency-Key"].startswith("overheard.opened.")
    assert headers["Authorization"] == "Bearer hush"


def test_a_webhook_that_refuses_or_leads_elsewhere_is_a_problem_without_a_secret(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with Hook() as hook:
        for hook.status in (403, 302):
            with pytest.raises(NotDelivered, match=str(hook.status)) as error:
                outside.send(settings, hook.url() + "?redirect=yes&+X-Key=hush", BRIEF)
            assert "hush" not in str(error.value)
    assert hook.paths == ["/hook/hush"] * 2


def test_nothing_is_sent_to_the_inside_unless_an_operator_named_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, notify_hosts="10.0.0.0/8")
    with Hook() as hook, Mailbox() as box:
        for url in (hook.url(), hook.url().replace("127.0.0.1", "localhost"), box.url()):
            with pytest.raises(DataError, match="OVERHEARD_NOTIFY_HOSTS"):
                outside.check(settings, url)
            with pytest.raises(NotDelivered, match="OVERHEARD_NOTIFY_HOSTS"):
                outside.send(settings, url, BRIEF)
    assert (hook.bodies, box.mails) == ([], [])


def test_an_address_is_checked_as_apprise_reads_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with pytest.raises(DataError, match="apprise can't read this mailto:// address"):
        outside.check(settings, "mailto://ann")
    copied = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    native = outside.check(settings, copied)
    assert parse(native, settings.notify_schemes).scheme == "slack"
    with pytest.raises(DataError, match="OVERHEARD_NOTIFY_SCHEMES"):
        outside.check(settings_in(tmp_path, notify_schemes="mailtos"), copied)


def test_a_recipient_that_is_down_costs_two_attempts_and_holds_up_nobody(house: House) -> None:
    ann, bob = house.recipient("ann", "json://a.example/1"), house.recipient("bob", "json://b.example/1")
    for number in range(5):
        house.open(f"key {number}")
    assert house.deliver(down("json://a.example/1")) == 5
    assert [notice.attempts for notice in reversed(house.notices(ann))] == [1, 1, 0, 0, 0]
    assert all(notice.sent_at for notice in house.notices(bob))
    assert house.deliver(down()) == 0  # all of them wait for the next attempt
    house.make_due()
    assert house.deliver(down()) == 5


def test_one_message_that_is_refused_does_not_hold_up_the_others(house: House) -> None:
    ann = house.recipient("ann", "json://a.example/1")
    for key in ("bad", "good", "better"):
        house.open(key)

    def send(_: Settings, url: str, message: Message) -> str:
        if message.facts["key"] == "bad":
            raise NotDelivered("too rude")
        return ""

    assert house.deliver(send) == 2
    assert [notice.problem for notice in reversed(house.notices(ann))] == ["too rude", "", ""]


def test_who_hangs_holds_up_nobody_else(house: House) -> None:
    house.recipient("ann", "json://a.example/1")
    bob = house.recipient("bob", "json://b.example/1")
    told, may_end = threading.Event(), threading.Event()

    def send(_: Settings, url: str, message: Message) -> str:
        told.set() if "b.example" in url else may_end.wait(30)
        return ""

    house.open("first")
    hanging = threading.Thread(target=house.deliver, args=(send,))
    hanging.start()
    assert told.wait(30)
    eventually(lambda: house.notices(bob)[0].sent_at)
    told.clear()
    house.open("second")
    assert house.deliver(send) == 1  # the next tick: bob alone, for somebody is at ann
    assert told.is_set()
    may_end.set()
    hanging.join()


def test_workers_that_tick_at_once_send_each_notice_once(house: House) -> None:
    house.recipient("ann", "json://a.example/1")
    for number in range(8):
        house.open(f"key {number}")
    sent: list[str] = []

    def send(_: Settings, url: str, message: Message) -> str:
        sent.append(message.id)
        return ""

    together(*[lambda: house.deliver(send)] * 3)
    assert len(sent) == len(set(sent)) == 8


def together(*calls: Callable[[], object]) -> None:
    workers = [threading.Thread(target=call) for call in calls]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def test_an_address_sealed_with_another_secret_says_what_to_do(house: House) -> None:
    ann = house.recipient("ann", "json://a.example/hush")
    house.open()
    other = house.settings.model_copy(update={"secret": Settings(secret="another secret of ours").secret})  # type: ignore[arg-type]
    assert Delivery(house.database, other, down()).run() == 0
    assert "save it again" in house.notices(ann)[0].problem


def test_a_message_that_can_not_be_made_is_a_problem_of_its_own(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ann = house.recipient("ann", "json://a.example/hush")
    house.open()
    monkeypatch.setattr("overheard.alerts.notify.compose", lambda *_: 1 / 0)
    with caplog.at_level(logging.WARNING):
        assert house.deliver(down()) == 0
    assert "it can't be made (ZeroDivisionError)" in house.notices(ann)[0].problem
    assert "hush" not in caplog.text
