"""Brands and feeds in the store, on both databases."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from overheard.brands import Spec, Wanted
from overheard.collectors.base import Post as Heard
from overheard.errors import Conflict, NotFound
from overheard.privacy import Privacy
from overheard.sources import Source, parse
from overheard.store import brands, feeds, posts, wanted
from overheard.store.database import Database
from overheard.store.feeds import NEVER
from overheard.store.tables.counts import Hour
from overheard.store.tables.heard import Brand, Feed, Gap, Mention, Post, Unscored
from overheard.store.wanted import Change

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
SPEC = Spec(aliases=("ACME Corp",))
EVERY_S = 300
PRIVACY = Privacy(b"a secret of the tests")


def add(database: Database, name: str = "Acme", *said: str, spec: Spec = SPEC) -> tuple[int, list[int]]:
    """Ids of the brand and its feeds."""
    with database.write() as session:
        brand, _ = brands.add(session, name, spec, NOW)
        made = [feeds.add(session, brand.id, parse(text), EVERY_S, NOW)[0].id for text in said]
        return brand.id, made


def apply(database: Database, *brand: Wanted, now: datetime = NOW) -> list[Change]:
    with database.write() as session:
        return [change for change in wanted.apply(session, brand, EVERY_S, now) if change.action != "unchanged"]


def counted(database: Database, table: type) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_adding_a_brand_again_changes_nothing_however_it_is_written(either: Database) -> None:
    brand_id, _ = add(either)
    with either.write() as session:
        again, is_new = brands.add(session, "  aCME ", SPEC, LATER)
        assert (again.id, again.name, again.updated_at, is_new) == (brand_id, "Acme", NOW, False)
    with either.write() as session, pytest.raises(Conflict, match=f"PATCH /brands/{brand_id}"):
        brands.add(session, "Acme", Spec(), LATER)


def test_describing_a_brand_anew_leaves_its_feeds_where_they_are(either: Database) -> None:
    brand_id, (feed_id,) = add(either, "Acme", "x")
    with either.write() as session:
        feeds.locked(session, feed_id).cursor = {"since_id": "9"}
        brands.change(session, brand_id, "Acme Inc.", Spec(products=("Zephyr",)), LATER)
    with either.read() as session:
        feed, brand = feeds.get(session, feed_id), brands.get(session, brand_id)
        assert (brand.name, brand.updated_at, feed.cursor, feed.due_at) == ("Acme Inc.", LATER, {"since_id": "9"}, NOW)
        assert feeds.asked(feed, brand).topic.terms == ("Acme Inc.", "Zephyr")


def test_two_brands_can_not_have_one_name(either: Database) -> None:
    add(either, "Rival")
    brand_id, _ = add(either)
    with either.write() as session, pytest.raises(Conflict, match="another brand is called 'RIVAL'"):
        brands.change(session, brand_id, "RIVAL", SPEC, LATER)


def test_a_feed_is_there_once_per_brand_and_once_without(either: Database) -> None:
    brand_id, (first,) = add(either, "Acme", "webhook:shop")
    _, (second,) = add(either, "Rival", "webhook:shop")
    with either.write() as session:
        for brand in (brand_id, None):
            feed, _ = feeds.add(session, brand, Source("webhook", "shop"), EVERY_S, NOW)
            again, is_new = feeds.add(session, brand, Source("webhook", "shop"), EVERY_S, LATER)
            assert (again.id, is_new) == (feed.id, False)
        assert first != second
    assert counted(either, Feed) == 3


def test_a_file_with_other_columns_is_no_second_feed(either: Database) -> None:
    brand_id, (feed_id,) = add(either, "Acme", "file:/posts.csv?text=body")
    with either.write() as session, pytest.raises(Conflict, match=rf"feed {feed_id} is file:/posts.csv\?text=body"):
        feeds.add(session, brand_id, parse("file:/posts.csv?text=message"), EVERY_S, NOW)


def test_a_paused_feed_is_due_as_soon_as_it_is_resumed(either: Database) -> None:
    _, (feed_id,) = add(either, "Acme", "x")
    with either.write() as session:
        feed = feeds.locked(session, feed_id)
        feed.state, feed.problem, feed.failures, feed.due_at = "refused", {"reason": "no key"}, 3, LATER
        feeds.pause(feed)
        assert feed.state == "paused"
        with pytest.raises(Conflict, match="paused"):
            feeds.inspect(feed, LATER)
        feeds.resume(feed, NOW)
        assert (feed.state, feed.problem, feed.failures, feed.due_at) == ("new", None, 0, NOW)
        feeds.resume(feed, LATER)
        assert feed.due_at == NOW


def test_inspecting_now_is_for_feeds_that_are_inspected(either: Database) -> None:
    _, (collected, pushed) = add(either, "Acme", "x", "webhook:shop")
    with either.write() as session:
        feed = feeds.locked(session, collected)
        feed.due_at = LATER
        feeds.inspect(feed, NOW)
        assert feed.due_at == NOW
        with pytest.raises(Conflict, match=f"POST /webhooks/{pushed}"):
            feeds.inspect(feeds.locked(session, pushed), NOW)


def test_a_shorter_time_between_inspections_counts_from_now_unless_the_platform_said_when(either: Database) -> None:
    _, (quick, busy, pushed) = add(either, "Acme", "x", "hn", "webhook:shop")
    with either.write() as session:
        for feed_id in (quick, busy):
            feeds.locked(session, feed_id).due_at = LATER
        feeds.locked(session, busy).state = "busy"
        for feed_id in (quick, busy, pushed):
            feeds.change_every(feeds.locked(session, feed_id), 60, NOW)
    with either.read() as session:
        due = [feeds.get(session, feed_id).due_at for feed_id in (quick, busy, pushed)]
    assert due == [NOW + timedelta(seconds=60), LATER, NEVER]


def test_gaps_are_listed_newest_first_and_those_that_may_be_filled_are_counted(either: Database) -> None:
    _, (first, second) = add(either, "Acme", "x", "hn")
    with either.write() as session:
        for hour in range(4):
            span = {"since": NOW + timedelta(hours=hour), "until": NOW + timedelta(hours=hour + 1)}
            filled_at = NOW if hour == 0 else None
            session.add(Gap(feed_id=first, **span, reason="quota", filled_at=filled_at, is_final=hour == 1))
    with either.read() as session:
        found = {listed.feed.id: listed.open_gaps for listed in feeds.page(session, None, None, 10)}
        newest = feeds.gaps(session, first, None, 3)
        rest = feeds.gaps(session, first, (newest[-1].since, newest[-1].id), 3)
    assert found == {first: 2, second: 0}
    assert [gap.since.hour for gap in [*newest, *rest]] == [15, 14, 13, 12]


def test_pages_hold_each_brand_and_feed_once_also_where_they_were_made_at_once(either: Database) -> None:
    for number in range(5):
        add(either, f"Brand {number}", "x")
    with either.read() as session:
        first = brands.page(session, None, 3)
        rest = brands.page(session, (first[-1].created_at, first[-1].id), 3)
        some = feeds.page(session, None, None, 3)
        more = feeds.page(session, None, (some[-1].feed.created_at, some[-1].feed.id), 3)
    assert [brand.name[-1] for brand in [*first, *rest]] == ["4", "3", "2", "1", "0"]
    assert [listed.brand and listed.brand.name[-1] for listed in [*some, *more]] == ["4", "3", "2", "1", "0"]


def test_a_webhook_is_found_by_its_number_and_by_a_name_that_one_has(either: Database) -> None:
    _, (shop, other) = add(either, "Acme", "webhook:shop", "webhook:stores")
    with either.read() as session:
        assert [getattr(feeds.webhook(session, name), "id", None) for name in (str(shop), "shop", "no", "9")] == [
            shop, shop, None, None,
        ]  # fmt: skip
    add(either, "Rival", "webhook:shop")
    with either.read() as session, pytest.raises(Conflict, match="several brands"):
        feeds.webhook(session, "shop")
    assert other


def keep(database: Database, found: Sequence[Heard], brand_ids: list[int]) -> None:
    with database.write() as session:
        posts.keep(session, found, source="x", brands_of=lambda _: brand_ids, feed_id=None, privacy=PRIVACY, now=NOW)


def test_a_brand_is_forgotten_with_all_that_was_said_of_it_alone(
    either: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brands, "FORGOTTEN_AT_ONCE", 3)
    acme, _ = add(either, "Acme", "x")
    rival, _ = add(either, "Rival", "x")
    post = Heard("0", "What a day", NOW - timedelta(hours=1))
    about_acme = [
        replace(post, external_id=f"acme {n}", posted_at=post.posted_at + timedelta(minutes=n)) for n in range(7)
    ]
    keep(either, about_acme, [acme])
    keep(either, [replace(post, external_id="both")], [acme, rival])
    keep(either, [replace(post, external_id="rival")], [rival])
    brands.remove(either, acme)
    with either.read() as session:
        assert set(session.scalars(select(Post.external_id))) == {"both", "rival"}
        assert set(session.scalars(select(Mention.brand_id))) == {rival}
        assert [brand.name for brand in brands.all_of_them(session)] == ["Rival"]
    assert (counted(either, Feed), counted(either, Unscored), counted(either, Hour)) == (1, 2, 0)
    with pytest.raises(NotFound):
        brands.remove(either, acme)


ACME = Wanted(name="Acme", aliases=("ACME Corp",), sources=("x", "file:/posts.csv?text=body"))
RIVAL = Wanted(name="Rival")


def test_applying_twice_changes_nothing(either: Database) -> None:
    made = apply(either, ACME, RIVAL)
    assert [(change.action, change.brand, change.feed) for change in made] == [
        ("added", "Acme", ""),
        ("added", "Acme", "x"),
        ("added", "Acme", "file:/posts.csv?text=body"),
        ("added", "Rival", ""),
    ]
    assert apply(either, ACME, RIVAL, now=LATER) == []


def test_applying_changes_what_differs_and_keeps_the_place_of_the_rest(either: Database) -> None:
    apply(either, ACME, RIVAL)
    with either.write() as session:
        for feed in session.scalars(select(Feed)):
            feed.cursor, feed.due_at = {"place": 7}, LATER
    after = Wanted(name="ACME", products=("Zephyr",), sources=("x", "file:/posts.csv?text=message", "webhook:shop"))
    assert apply(either, after) == [
        Change("changed", "ACME", fields=("name", "aliases", "products")),
        Change("changed", "ACME", "file:/posts.csv?text=message", ("options",)),
        Change("added", "ACME", "webhook:shop"),
    ]
    with either.read() as session:
        found = {feed.source: (feed.cursor, feed.due_at) for feed in session.scalars(select(Feed))}
    assert found == {"x": ({"place": 7}, LATER), "file": ({}, NOW), "webhook": ({}, NEVER)}


def test_feeds_that_are_no_longer_named_go_and_other_brands_stay(either: Database) -> None:
    apply(either, ACME, RIVAL)
    without = Wanted(name="Acme", aliases=("ACME Corp",), sources=("x",))
    assert apply(either, without) == [Change("removed", "Acme", "file:/posts.csv?text=body")]
    with either.read() as session:
        assert [brand.name for brand in wanted.others(session, [without])] == ["Rival"]
    assert counted(either, Brand) == 2
