"""A feed's inspection, page by page, on both databases, with a collector that does what the test says."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from overheard import listening
from overheard.brands import Spec
from overheard.collectors.base import Asked, Cursor, Page, Post, Span
from overheard.errors import OverheardError, SourceBusy, SourceDown, SourceRefused
from overheard.listening import Listener
from overheard.privacy import Privacy
from overheard.settings import Settings
from overheard.sources import parse
from overheard.store import brands, feeds, inspections
from overheard.store.database import Database
from overheard.store.tables.heard import Feed, Gap, Reads
from overheard.store.tables.heard import Post as Kept

NOW = datetime.now(UTC)
NEXT_YEAR = NOW + timedelta(days=365)


@dataclass
class Scripted:
    """Yields these pages, then raises what there is to raise; remembers what it was asked."""

    pages: list[Page] = field(default_factory=list)
    error: Exception | None = None
    asked: list[tuple[Asked, Cursor, int | None]] = field(default_factory=list)

    def read(self, asked: Asked, cursor: Cursor, now: datetime, reads: int | None) -> Iterator[Page]:
        self.asked.append((asked, cursor, reads))
        yield from self.pages
        if self.error:
            raise self.error


@dataclass
class House:
    database: Database
    listener: Listener
    platform: Scripted
    feed_id: int
    heard: list[bool]

    def inspect(self, *pages: Page, error: Exception | None = None) -> Feed:
        self.platform.pages, self.platform.error = list(pages), error
        self.listener.inspect(self.feed_id)
        with self.database.read() as session:
            return feeds.get(session, self.feed_id)

    def gaps(self) -> list[Gap]:
        with self.database.read() as session:
            return list(session.scalars(select(Gap).order_by(Gap.id)))

    def texts(self) -> set[str]:
        with self.database.read() as session:
            return set(session.scalars(select(Kept.text)))


@pytest.fixture
def house(either: Database, monkeypatch: pytest.MonkeyPatch) -> House:
    platform, heard = Scripted(), list[bool]()
    monkeypatch.setattr(listening, "collector", lambda *_: platform)
    with either.write() as session:
        brand, _ = brands.add(session, "Acme", Spec(aliases=("Acme Inc",), excluded=("anvil",)), NOW)
        feed, _ = feeds.add(session, brand.id, parse("x"), every_s=300, now=NOW)
    settings = Settings(x_monthly_reads=31_000)
    listener = Listener(either, settings, Privacy(b"a secret of the tests"), lambda: heard.append(True))
    return House(either, listener, platform, feed.id, heard)


def page(*ids: str, cursor: Cursor | None = None, **more: object) -> Page:
    posts = tuple(Post(post_id, f"text {post_id}", NOW - timedelta(minutes=1)) for post_id in ids)
    return replace(Page(posts, cursor or {"last": ids[-1] if ids else ""}), **more)  # type: ignore[arg-type]


def test_pages_are_kept_with_their_cursor_and_the_brand_is_asked_for(house: House) -> None:
    feed = house.inspect(page("1", "2", cursor={"at": 2}), page("3", cursor={"at": 3}))
    assert (feed.state, feed.cursor, feed.lease_until, feed.failures) == ("ok", {"at": 3}, None, 0)
    assert feed.complete_at
    assert feed.due_at > datetime.now(UTC) + timedelta(seconds=290)
    assert house.texts() == {"text 1", "text 2", "text 3"}
    assert len(house.heard) == 2
    asked, cursor, _ = house.platform.asked[0]
    assert (asked.topic.terms, asked.topic.excluded, cursor) == (("Acme", "Acme Inc"), ("anvil",), {})
    house.inspect(page())
    assert house.platform.asked[1][1] == {"at": 3}
    assert len(house.heard) == 2  # no new posts: a success, and nothing to score


def test_what_came_before_a_failure_is_kept_and_the_next_inspection_goes_on_there(house: House) -> None:
    feed = house.inspect(page("1", cursor={"at": 1}), error=SourceDown("x", "502"))
    assert (feed.state, feed.cursor, feed.failures, feed.lease_until) == ("down", {"at": 1}, 1, None)
    assert "502" in (feed.problem or {})["reason"]
    house.inspect(page("2"))
    assert house.platform.asked[1][1] == {"at": 1}
    assert house.texts() == {"text 1", "text 2"}


def test_an_outage_is_a_gap_until_everything_was_read_after_all(house: House) -> None:
    house.inspect(page("1"))
    for _ in range(3):
        house.inspect(error=SourceDown("x", "no answer"))
    (gap,) = house.gaps()
    assert gap.filled_at is None
    assert gap.until > gap.since
    house.inspect(page("2", unread=Span(NOW, NOW, "more to come")))
    assert house.gaps()[0].filled_at is None
    house.inspect(page("3"))
    (gap,) = house.gaps()
    assert gap.filled_at


def test_what_a_platform_no_longer_gives_stays_a_gap(house: House) -> None:
    house.inspect(page("1", lost=Span(NOW - timedelta(days=9), NOW - timedelta(days=7), "only seven days")))
    house.inspect(page("2"))
    (gap,) = house.gaps()
    assert (gap.is_final, gap.filled_at, gap.reason) == (True, None, "only seven days")


@pytest.mark.parametrize(
    ("error", "state", "least_s", "most_s"),
    [
        (SourceBusy("x", "429", NEXT_YEAR), "busy", 300 * 86_400, 366 * 86_400),
        (SourceRefused("x", "401", "make a new token"), "refused", 3500, 3600),
        (SourceDown("x", "502"), "down", 250, 300),
        (ZeroDivisionError("a collector's mistake"), "down", 250, 300),
    ],
)
def test_the_next_try_is_when_it_makes_sense(
    house: House, error: Exception, state: str, least_s: int, most_s: int
) -> None:
    feed = house.inspect(error=error)
    assert feed.state == state
    assert least_s <= (feed.due_at - datetime.now(UTC)).total_seconds() <= most_s
    if isinstance(error, SourceRefused):
        assert (feed.problem or {})["advice"] == "make a new token"


def test_failures_in_a_row_are_tried_later_and_later_but_not_for_ever(house: House) -> None:
    pauses = []
    for _ in range(12):
        feed = house.inspect(error=SourceDown("x", "502"))
        pauses.append(round((feed.due_at - datetime.now(UTC)).total_seconds()))
    assert pauses == sorted(pauses)
    assert pauses[1] > 1.9 * pauses[0]
    assert pauses[-1] <= 6 * 3600
    assert house.inspect(page()).failures == 0


def test_two_never_inspect_a_feed_at_once_and_one_that_was_thought_dead_keeps_nothing_more(house: House) -> None:
    feed_id, inside = house.feed_id, list[OverheardError | None]()

    def pages() -> Iterator[Page]:
        yield page("1")
        house.listener.inspect(feed_id)  # somebody is at it: nothing happens
        inside.append(None)
        with house.database.write() as session:  # it was silent for too long, and another has taken over
            feeds.get(session, feed_id).lease_until = datetime.now(UTC) - timedelta(seconds=1)
        with house.database.write() as session:
            assert inspections.take(session, feed_id, datetime.now(UTC))
        yield page("2")
        inside.append(None)

    house.platform.read = lambda *_: pages()  # type: ignore[method-assign, assignment]
    house.listener.inspect(feed_id)
    assert len(inside) == 1
    assert house.texts() == {"text 1"}


def test_a_feed_that_is_paused_in_mid_read_stops_there(house: House) -> None:
    def pages() -> Iterator[Page]:
        yield page("1")
        with house.database.write() as session:
            feeds.pause(feeds.get(session, house.feed_id))
        yield page("2")

    house.platform.read = lambda *_: pages()  # type: ignore[method-assign, assignment]
    house.listener.inspect(house.feed_id)
    with house.database.read() as session:
        assert feeds.get(session, house.feed_id).state == "paused"
    assert house.texts() == {"text 1"}


def test_feeds_that_are_due_are_asked_for_once_and_again_when_nobody_took_them(house: House) -> None:
    def due(now: datetime) -> list[int]:
        with house.database.write() as session:
            return inspections.due(session, now)

    soon = NOW + timedelta(seconds=1)
    assert due(soon) == [house.feed_id]
    assert due(soon) == []
    assert due(soon + timedelta(seconds=61)) == [house.feed_id]


def test_paid_reads_are_counted_and_allowed_by_the_day(house: House) -> None:
    house.inspect(page("1", "2", reads=40))
    house.inspect(page("3", reads=2))
    with house.database.read() as session:
        assert session.scalars(select(Reads.count)).all() == [42]
    first, second = (reads for _, _, reads in house.platform.asked)
    assert first is not None
    assert second == first - 40
