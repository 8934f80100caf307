"""What recipients read: every form of a notice, and what of strangers' texts gets into it."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import select

from overheard.alerts import charts, digest
from overheard.alerts.compose import House, compose
from overheard.alerts.drawing import draw
from overheard.alerts.mail import Envelope
from overheard.alerts.mail import compose as mailed
from overheard.alerts.message import Bar, Chart, Message
from overheard.alerts.wording import cut, harmless, interval, percent, points, span, subject
from overheard.collectors.base import Post as Heard
from overheard.privacy import Privacy
from overheard.recipients import parse
from overheard.seal import Seal
from overheard.settings import Settings
from overheard.store import digests, hours, outbox, posts, recipients
from overheard.store.database import Database, migrate
from overheard.store.tables.alerting import Notice
from overheard.store.tables.heard import Feed, Gap, Post, Score
from tests.incidents import NOW, add_brand, add_rule, open_incident, resolve

HOUSE = House(b"a secret of the tests", "https://overheard.example.com/")
MONDAY = digests.monday(NOW)
NASTY = "The <b>battery</b> died, @everyone & [look](http://evil.example)\r\nBcc: all@example.com"
ENVELOPE = Envelope(
    "mail.example.com", 25, "insecure", None, None, True, ("Overheard", "o@example.com"), (("Ann", "ann@example.com"),)
)


class World:
    """A brand with two weeks of posts, a gap, a recipient and a rule."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.write() as session:
            self.brand_id, self.rule_id = add_brand(session, "Acme & <Sons>"), add_rule(session)
            target = parse("mailtos://u:pw@example.com/ann@example.com", "mailtos")
            self.recipient_id = recipients.add(session, Seal(b"any", "recipients"), "brand team", target, NOW).id
            feed = Feed(
                brand_id=self.brand_id,
                source="rss",
                target="x",
                options={},
                every_s=300,
                cursor={},
                due_at=NOW,
                created_at=NOW,
            )
            session.add(feed)
            session.flush()
            session.add(Gap(feed_id=feed.id, since=MONDAY, until=MONDAY + timedelta(hours=5), reason="rss: no answer"))
        self._hear(MONDAY - timedelta(days=7), {"nice thing": 90, "it broke": 10})
        self._hear(MONDAY, {"nice thing": 60, NASTY: 40})
        hours.count_all(database)

    def _hear(self, since: datetime, said: dict[str, int]) -> None:
        texts = [f"{text} {number}" for text, count in said.items() for number in range(count)]
        heard = [
            Heard(f"{since:%d}-{place}", text, since + timedelta(minutes=11 * place), url="https://social.example/1")
            for place, text in enumerate(texts)
        ]
        with self.database.write() as session:
            posts.keep(
                session,
                heard,
                source="mastodon",
                brands_of=lambda _: [self.brand_id],
                feed_id=None,
                privacy=Privacy(b"any"),
                now=NOW,
            )
            for post in session.scalars(select(Post).where(Post.posted_at >= since)):
                likely = (0.8, 0.1, 0.1) if "nice" not in post.text else (0.1, 0.1, 0.8)
                scores = dict(zip(("negative", "neutral", "positive"), likely, strict=True))
                session.merge(Score(post_id=post.id, model="abc123", scored_at=NOW, **scores))

    def ids_of(self, start: str) -> tuple[int, ...]:
        with self.database.read() as session:
            return tuple(session.scalars(select(Post.id).where(Post.text.startswith(start)).order_by(Post.id)))

    def messages(self, house: House = HOUSE) -> list[Message]:
        """Of all notices, in their order."""
        with self.database.read() as session:
            found = session.scalars(select(Notice).order_by(Notice.id)).all()
            return [compose(session, house, notice, NOW) for notice in found]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    url = f"sqlite:///{tmp_path / 'messages.db'}"
    migrate(url)
    database = Database(url)
    yield World(database)
    database.engine.dispose()


@pytest.fixture
def on_either(either: Database) -> World:
    return World(either)


def test_an_alert_says_what_how_sure_since_when_with_examples_and_what_to_do(world: World) -> None:
    with world.database.write() as session:
        open_incident(session, world.rule_id, world.brand_id, post_ids=world.ids_of("The"))
    (told,) = world.messages()
    assert told.subject == "[Overheard] Negative posts about Acme are up: 41 % of 120"
    for text in (told.text, told.html):
        for said in (
            "38 to 45 % negative",
            "Since Wed 04 Mar 2026, 09:00 UTC (3 h)",
            "battery",
            "recall",
            "tell support",
        ):
            assert said in text
        assert text.count("https://social.example/1") == 3
        assert "https://overheard.example.com/posts?sentiment=negative" in text
        assert "more negative posts" in text
    assert told.chart
    assert told.chart.alt in told.text
    assert 'src="cid:chart" alt="Share of negative posts about Acme &amp; &lt;Sons&gt; over time' in told.html
    assert len(told.brief) < 1800
    assert "What to do: Read the newest" in told.brief
    facts = json.loads(json.dumps(told.facts))
    assert (facts["kind"], facts["words"], facts["brand"]) == ("opened", ["battery", "recall"], "Acme & <Sons>")
    assert len(facts["examples"]) == 3


def test_what_strangers_write_is_only_ever_text(world: World) -> None:
    with world.database.write() as session:
        nasty = f"Up </h1><script>alert(1)</script>\r\nBcc: {NASTY}"
        open_incident(session, world.rule_id, world.brand_id, post_ids=world.ids_of("The"), title=nasty)
    (told,) = world.messages()
    assert "<script" not in told.html
    assert "<b>battery" not in told.html
    assert "&lt;b&gt;battery" in told.html
    assert "\n" not in told.subject
    assert "@everyone" not in told.brief
    assert "](http" not in told.brief
    mail = message_from_bytes(mailed(told, ENVELOPE, None).as_bytes(), policy=policy.default)
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("[Overheard] Up </h1>")


def test_an_erased_post_is_not_told(on_either: World) -> None:
    first, *_, last = on_either.ids_of("The")
    with on_either.database.write() as session:
        open_incident(session, on_either.rule_id, on_either.brand_id, post_ids=(first, last))
        posts.remove(session, [first])
    (told,) = on_either.messages()
    assert [example["id"] for example in told.facts["examples"]] == [last]


def test_the_end_is_told_in_the_thread_of_the_beginning_and_ids_stay(world: World) -> None:
    with world.database.write() as session:
        incident = open_incident(session, world.rule_id, world.brand_id)
        resolve(session, incident.id, NOW + timedelta(minutes=20))
    opened, resolved = world.messages()
    assert [again.id for again in world.messages()] == [opened.id, resolved.id]
    assert resolved.thread == opened.id != resolved.id
    assert world.messages(House(b"another secret", None))[0].id != opened.id
    assert "Resolved: Negative posts" in resolved.subject
    assert "From Wed 04 Mar 2026, 09:00 UTC to Wed 04 Mar 2026, 12:20 UTC (3 h 20 min)" in resolved.text
    assert "What to do" not in resolved.text + resolved.html + resolved.brief


def test_an_alert_of_the_installation_has_no_chart_and_without_a_public_address_no_link(world: World) -> None:
    with world.database.write() as session:
        open_incident(session, world.rule_id, None, links={"job": "/jobs/1", "manual": "https://docs.example.com"})
    (told,) = world.messages(House(HOUSE.secret, None))
    assert told.chart is None
    assert "cid:" not in told.html
    assert "/jobs/1" not in told.text + told.html + told.brief
    assert "https://docs.example.com" in told.text


def test_an_alert_goes_out_though_its_chart_can_not_be_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Chart:
        raise ZeroDivisionError

    monkeypatch.setattr(charts, "of_brand", broken)
    with world.database.write() as session:
        open_incident(session, world.rule_id, world.brand_id)
    assert world.messages()[0].chart is None


def test_a_mail_holds_text_html_and_chart_and_is_known_again(world: World) -> None:
    with world.database.write() as session:
        open_incident(session, world.rule_id, world.brand_id)
    (told,) = world.messages()
    assert told.chart
    png = draw(told.chart)
    assert png.startswith(b"\x89PNG")
    mail = message_from_bytes(mailed(told, ENVELOPE, png).as_bytes(), policy=policy.default)
    assert mail["Message-ID"] == f"<{told.id}@example.com>"
    assert (mail["To"], mail["Auto-Submitted"]) == ("Ann <ann@example.com>", "auto-generated")
    assert mail.get_content_type() == "multipart/alternative"
    text, related = mail.iter_parts()
    html, image = related.iter_parts()
    assert text.get_content().replace("\r\n", "\n") == told.text
    assert html.get_content_type() == "text/html"
    assert (image["Content-ID"], image.get_content_disposition()) == ("<chart>", "inline")
    assert image.get_content() == png


def test_a_message_is_the_same_after_its_way_to_the_process_that_sends_it(world: World) -> None:
    with world.database.write() as session:
        open_incident(session, world.rule_id, world.brand_id)
    (told,) = world.messages()
    assert told.chart
    assert told.chart.gaps
    assert Message.of(json.loads(json.dumps(told.as_dict()))) == told


def test_charts_are_drawn_of_any_length_with_holes() -> None:
    for step, count in ((1, 1), (1, 50), (24, 2), (24, 28)):
        times = [MONDAY + timedelta(hours=step * place) for place in range(count + 1)]
        bars = tuple(
            Bar(since.isoformat(), until.isoformat(), place, None if place % 7 == 3 else 0.2, 0.1, 0.3)
            for place, (since, until) in enumerate(pairwise(times))
        )
        assert draw(Chart("", "", bars, ((times[0].isoformat(), times[1].isoformat()),), times[0].isoformat()))


def test_a_digest_tells_the_week_against_the_one_before(on_either: World) -> None:
    with on_either.database.read() as session:
        figures = digest.read(session, on_either.brand_id, MONDAY, "starter")
        told = digest.message(session, HOUSE, json.loads(json.dumps(figures)), "id", "brand team")
    assert (figures["posts"], figures["posts_before"], figures["is_complete"]) == (100, 100, False)
    assert figures["now"]["method"] == "corrected"
    assert told.subject.startswith("[Overheard] Acme & <Sons>, 2 to 8 March 2026: ")
    assert told.subject.endswith(", 100 posts")
    for text in (told.text, told.html):
        assert "100 posts were heard (the week before: 100)" in text
        assert "Nobody has checked any of these posts" in text
        assert "up by more than chance explains" in text
        assert "because within its sources people spoke otherwise" in text
        assert "died" in text
        assert "rss: no answer" in text
        assert "No model serves yet." in text
    assert "Acme &amp; &lt;Sons&gt;" in told.html
    assert "<b>battery" not in told.html
    assert "chart" not in told.facts


def test_digests_are_announced_once_for_brands_that_are_listened_to(world: World) -> None:
    with world.database.write() as session:
        add_brand(session, "Nobody")
    due_at = MONDAY + timedelta(days=7, hours=7)
    outcomes = [digest.announce(world.database, Settings(), due_at, NOW) for _ in range(2)]
    assert outcomes == [{"week": "2026-03-02", "brands": 1, "notices": 1}] * 2
    with world.database.read() as session:
        (notice,) = outbox.newest(session, world.recipient_id, 9)
    assert (notice.kind, notice.subject) == ("digest", f"{world.brand_id}:2026-03-02")
    (told,) = world.messages()
    assert "Told to the recipient" in told.html


def test_a_week_of_silence_is_told_as_such(world: World) -> None:
    with world.database.read() as session:
        figures = digest.read(session, world.brand_id, MONDAY - timedelta(weeks=9), "starter")
        told = digest.message(session, HOUSE, figures, "id", "brand team")
    assert figures["chart"] is None
    assert "0 posts were heard (the week before: 0). With so few posts no interval would be valid." in told.text


def test_figures_and_times_are_said_shortly() -> None:
    assert [percent(share) for share in (0, 0.004, 0.0995, 0.5, 1)] == ["0 %", "0.4 %", "10 %", "50 %", "100 %"]
    assert interval(0.091, 0.14) == "9.1 to 14 %"
    assert points(-0.042) == "\N{MINUS SIGN}4.2 points"
    assert [span(timedelta(seconds=s)) for s in (0, 61, 12_000, 86_400, 90_061)] == [
        "0 s",
        "1 min 1 s",
        "3 h 20 min",
        "1 d",
        "1 d 1 h",
    ]
    assert cut("a\x00b\n\n c " + "x" * 300, 10) == "a b c xxx…"
    assert len(subject("x" * 500)) == 150
    assert harmless("<!channel> @here") == "\u2039!channel\u203a @\u200bhere"
