"""Posts as people look through them: each once, in every order, and never more than so many at a time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from overheard.errors import NotFound
from overheard.store import listing
from overheard.store.database import Database
from overheard.store.listing import Order, Wanted
from overheard.store.tables.heard import Brand, Mention, Post, Score

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SPREADS = ((0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.2, 0.7), (0.34, 0.33, 0.33), (0.5, 0.25, 0.25))


def fill(database: Database, texts: Sequence[str]) -> None:
    """A post every minute, the first the newest; those with an odd place are on the first brand, the others on both."""
    with database.write() as session:
        for name in ("one", "two"):
            session.add(Brand(name=name, name_key=name, spec={}, created_at=NOW, updated_at=NOW))
        for place, text in enumerate(texts):
            at = NOW - timedelta(minutes=place // 2)  # two at a time
            source, language = ("x", "de") if place % 3 else ("hn", "en")
            told = {"source": source, "language": language, "text": text, "reach": (place * 7) % 5}
            post = Post(external_id=str(place), details={}, posted_at=at, heard_at=NOW, **told)
            session.add(post)
            session.flush()
            for brand_id in (1,) if place % 2 else (1, 2):
                session.add(Mention(brand_id=brand_id, posted_at=at, post_id=post.id, source=source))
            old, new = SPREADS[(place + 1) % 5], SPREADS[place % 5]
            for model, shares, scored_at in (("new", new, NOW), ("old", old, NOW - timedelta(days=1))):
                values = dict(zip(("negative", "neutral", "positive"), shares, strict=True))
                session.add(Score(post_id=post.id, model=model, scored_at=scored_at, **values))


@pytest.fixture
def database(either: Database) -> Database:
    fill(either, [f"text {place} {'100% Zephyr_x' if place == 7 else 'a zephyr'}" for place in range(20)])
    return either


def walk(database: Database, wanted: Wanted, order: Order = Order.newest, limit: int = 3, most: int = 0) -> list[str]:
    """Texts, page by page to the end."""
    found: list[str] = []
    after = None
    while True:
        with database.read() as session:
            page = listing.page(session, wanted, after, limit, order, most)
        found += [one.post.text for one in page.posts]
        assert len(page.posts) <= limit
        if (after := page.next) is None:
            return found


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("brand_id", [None, 1, 2])
def test_every_order_holds_each_post_once(database: Database, order: Order, brand_id: int | None) -> None:
    found = walk(database, Wanted(brand_id), order)
    assert len(found) == len(set(found)) == (10 if brand_id == 2 else 20)


def test_the_most_come_first(database: Database) -> None:
    with database.read() as session:
        pages = {order: listing.page(session, Wanted(1), None, 20, order).posts for order in Order}
    times = [one.post.posted_at for one in pages[Order.newest]]
    reach = [one.post.reach for one in pages[Order.reach]]
    negative = [one.score.negative for one in pages[Order.negativity] if one.score]
    highest = [
        max(one.score.negative, one.score.neutral, one.score.positive) for one in pages[Order.uncertainty] if one.score
    ]
    assert (times, reach, negative) == tuple(sorted(some, reverse=True) for some in (times, reach, negative))
    assert highest == sorted(highest)


def test_the_newest_score_counts(database: Database) -> None:
    with database.read() as session:
        negative = listing.page(session, Wanted(1, called="negative"), None, 20).posts
    assert {one.post.external_id for one in negative if one.score} == {
        str(place) for place in range(20) if place % 5 in (0, 3, 4)
    }
    assert {one.score.model for one in negative if one.score} == {"new"}


@pytest.mark.parametrize(
    ("words", "count"), [("ZEPHYR", 20), ("zephyr 7", 2), ("100%", 1), ("10_%", 0), ("zephyr_", 1), ("nowhere", 0)]
)
def test_all_words_are_looked_for_whatever_their_case_and_signs_are_signs(
    database: Database, words: str, count: int
) -> None:
    assert len(walk(database, Wanted(1, words=words))) == count


def test_words_with_other_capitals_are_found_on_every_database(either: Database) -> None:
    fill(either, ["Ärger mit dem Zephyr", "so viel ärger", "ÄRGER!", "arger"])
    assert len(walk(either, Wanted(words="ärger"))) == 3


def test_filters_hold_together(database: Database) -> None:
    since, until = NOW - timedelta(minutes=6), NOW - timedelta(minutes=1)
    with database.read() as session:
        found = listing.page(session, Wanted(2, "x", None, since, until, "de"), None, 20).posts
    assert [one.post.external_id for one in found] == [
        str(place) for place in range(20) if place % 2 == 0 and place % 3 and 1 < place // 2 <= 6
    ][::1]


def test_a_search_ends_its_page_early_says_so_and_goes_on(database: Database) -> None:
    wanted = Wanted(1, words="100%")
    with database.read() as session:
        first = listing.page(session, wanted, None, 3, most=5)
        second = listing.page(session, wanted, first.next, 3, most=5)
    assert (first.posts, first.back_to) == ([], NOW - timedelta(minutes=2))
    assert [one.post.external_id for one in second.posts] == ["7"]
    assert walk(database, wanted, most=5) == walk(database, wanted)
    assert walk(database, Wanted(1), limit=20, most=6) == walk(database, Wanted(1))


def test_other_orders_are_of_the_newest_alone_and_say_so(database: Database) -> None:
    with database.read() as session:
        page = listing.page(session, Wanted(1), None, 20, Order.reach, most=6)
        whole = listing.page(session, Wanted(1), None, 20, Order.reach, most=20)
    assert sorted(int(one.post.external_id) for one in page.posts) == [0, 1, 2, 3, 4, 5]
    assert page.back_to == NOW - timedelta(minutes=2)
    assert whole.back_to is None


def test_a_post_that_waits_for_its_score_is_listed_but_in_no_order_of_scores(database: Database) -> None:
    with database.write() as session:
        for score in session.query(Score).filter(Score.post_id == 1):
            session.delete(score)
    assert len(walk(database, Wanted(1))) == len(walk(database, Wanted(1), Order.reach)) == 20
    assert len(walk(database, Wanted(1), Order.negativity)) == 19


def test_a_post_that_is_not_there_is_told(database: Database) -> None:
    with database.read() as session, pytest.raises(NotFound):
        listing.get(session, 999)


def test_languages_are_told_the_most_frequent_first(database: Database) -> None:
    with database.read() as session:
        assert listing.languages(session, 1) == ["de", "en"]
