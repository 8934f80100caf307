"""What is kept of what was heard, what waits for scores, and what hours come to: on both databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import func, select

from overheard.collectors.base import Post as Heard
from overheard.privacy import Privacy, masked
from overheard.store import hours, posts, unscored
from overheard.store.database import Database
from overheard.store.parts import Answer
from overheard.store.posts import Kept
from overheard.store.tables.counts import DirtyHour, Hour
from overheard.store.tables.heard import Brand, Mention, Post, Score, Unscored

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
PRIVACY = Privacy(b"a secret of the tests")
FIRST = Heard("1", "The Zephyr is great", NOW - timedelta(minutes=5), author="ann", language="en", reach=2)
SECOND = Heard("2", "The Zephyr broke, call +49 170 1234567", NOW - timedelta(hours=2), author="bob")


@pytest.fixture
def brands(either: Database) -> list[int]:
    with either.write() as session:
        rows = [Brand(name=n, name_key=n, spec={}, created_at=NOW, updated_at=NOW) for n in ("zephyr", "rival")]
        session.add_all(rows)
        session.flush()
        return [row.id for row in rows]


def keep(database: Database, found: list[Heard], brand_ids: list[int], now: datetime = NOW) -> Kept:
    with database.write() as session:
        return posts.keep(
            session, found, source="x", brands_of=lambda _: brand_ids, feed_id=None, privacy=PRIVACY, now=now
        )


def score(database: Database, probabilities: list[float], model: str = "m1", now: datetime = NOW) -> int:
    with database.write() as session:
        work = unscored.take(session, now, lease_s=30, max_attempts=3, at_most=100)
    if work is None:
        return 0
    with database.write() as session:
        scores = np.array([probabilities] * len(work.ids), np.float32)
        return unscored.give_back(session, work, Answer(scores, model), now)


def count_hours(database: Database) -> list[Hour]:
    with database.write() as session:
        while hours.count_some(session):
            pass
        return list(session.scalars(select(Hour).order_by(Hour.brand_id, Hour.hour, Hour.model)))


def counted(database: Database, table: type) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_post_is_kept_once_however_often_it_comes(either: Database, brands: list[int]) -> None:
    assert keep(either, [FIRST, SECOND], brands[:1]) == Kept(new=2, mentions=2)
    assert keep(either, [SECOND, FIRST, FIRST], brands[:1]) == Kept(known=2)
    assert keep(either, [FIRST], brands[1:]) == Kept(known=1, mentions=1)
    assert (counted(either, Post), counted(either, Mention), counted(either, Unscored)) == (2, 3, 2)


def test_many_at_once_keep_each_post_once(either: Database, brands: list[int]) -> None:
    found = [replace(FIRST, external_id=str(number)) for number in range(200)]
    with ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(lambda start: keep(either, found[start:] + found[:start], brands), (0, 50, 100, 150)))
    assert sum(one.new for one in kept) == 200
    assert (counted(either, Post), counted(either, Mention)) == (200, 400)


def test_people_are_not_kept(either: Database, brands: list[int]) -> None:
    keep(either, [FIRST, SECOND], brands)
    with either.read() as session:
        kept = {post.external_id: post for post in session.scalars(select(Post))}
    assert kept["1"].author not in ("", "ann")
    assert kept["1"].author != kept["2"].author
    assert kept["2"].text == "The Zephyr broke, call [phone]"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("mail jo.doe+x@mail.example.co.uk!", "mail [email]!"),
        ("call (555) 010-9999 or 555-010-9999", "call [phone] or [phone]"),
        ("+1 555 010 9999", "[phone]"),
        ("0049 30 1234 5678", "[phone]"),
        ("ruf 030 / 1234 5678 an", "ruf [phone] an"),
        ("2015-2016, 1,000,000 sold at $1299.99", "2015-2016, 1,000,000 sold at $1299.99"),
        ("order 123456789012 on 2026-11-24 10:30", "order 123456789012 on 2026-11-24 10:30"),
        ("@ann see https://x.com/i/status/1234567890123", "@ann see https://x.com/i/status/1234567890123"),
    ],
)
def test_addresses_and_numbers_are_masked_and_nothing_else(text: str, seen: str) -> None:
    assert masked(text) == seen


def test_hostile_texts_are_kept_as_far_as_they_can_be(either: Database, brands: list[int]) -> None:
    odd = Heard("\0id", "nul \0 lone \ud83d end", NOW + timedelta(days=900), "a\0b", "u\0", "en-GB-oed", 2**40)
    assert keep(either, [odd], brands).new == 1
    with either.read() as session:
        post = session.scalars(select(Post)).one()
    assert (post.text, post.language, post.posted_at) == ("nul  lone \ufffd end", "en", NOW)


def test_a_later_edit_replaces_the_text_and_its_score(either: Database, brands: list[int]) -> None:
    keep(either, [FIRST], brands[:1])
    score(either, [0.1, 0.2, 0.7])
    edit = replace(FIRST, text="The Zephyr was great", edited_at=NOW)
    assert keep(either, [edit], brands[:1]).edited == 1
    assert keep(either, [FIRST], brands[:1]).edited == 0  # a page that comes late
    with either.read() as session:
        assert session.scalars(select(Post.text)).one() == edit.text
    assert (counted(either, Score), counted(either, Unscored)) == (0, 1)


def test_a_score_of_the_text_before_the_edit_does_not_count(either: Database, brands: list[int]) -> None:
    keep(either, [FIRST], brands[:1])
    with either.write() as session:
        work = unscored.take(session, NOW, 30, 3, 10)
    keep(either, [replace(FIRST, text="now bad", edited_at=NOW)], brands[:1])
    assert work is not None
    with either.write() as session:
        assert unscored.give_back(session, work, Answer(np.ones((1, 3), np.float32) / 3, "m1"), NOW) == 0
    assert score(either, [0.8, 0.1, 0.1]) == 1


def test_a_post_that_was_forgotten_does_not_come_back(either: Database, brands: list[int]) -> None:
    keep(either, [FIRST, SECOND], brands)
    score(either, [0.1, 0.2, 0.7])
    with either.write() as session:
        assert posts.forget(session, "x", ["1", "unheard of"], PRIVACY, NOW) == 1
    assert keep(either, [FIRST], brands) == Kept(refused=1)
    assert (counted(either, Post), counted(either, Score), counted(either, Mention)) == (1, 1, 2)
    assert [row.posts for row in count_hours(either)] == [1, 1]


def test_nobody_scores_what_another_has_taken_until_the_lease_is_over(either: Database, brands: list[int]) -> None:
    keep(either, [FIRST, SECOND], brands)

    def taken(now: datetime) -> list[int]:
        with either.write() as session:
            work = unscored.take(session, now, lease_s=30, max_attempts=3, at_most=1)
        return work.ids if work else []

    first, second = taken(NOW), taken(NOW)
    assert len(first + second) == 2
    assert first != second
    assert taken(NOW) == []
    later = NOW + timedelta(seconds=31)
    assert taken(later) == first
    assert taken(later + timedelta(seconds=31)) == first  # the third time; then it is left alone
    assert taken(later + timedelta(seconds=62)) == second
    with either.read() as session:
        assert unscored.waiting(session, 3) == unscored.Waiting(posts=1, parked=1)


def test_an_hour_counts_each_post_once_by_its_newest_score(either: Database, brands: list[int]) -> None:
    keep(either, [FIRST, SECOND, replace(FIRST, external_id="3", reach=5)], brands[:1])
    assert [(row.model, row.posts, row.called_positive) for row in count_hours(either)] == [("", 1, 0), ("", 2, 0)]
    score(either, [0.1, 0.2, 0.7], "m1")
    keep(either, [replace(FIRST, external_id="4")], brands[:1])
    score(either, [0.6, 0.3, 0.1], "m2", NOW + timedelta(seconds=1))
    with either.write() as session:
        assert unscored.add_since(session, NOW - timedelta(hours=1), "m2") == 2
    earlier, mixed, newest = count_hours(either)
    assert (earlier.hour, earlier.posts, earlier.model) == (datetime(2026, 3, 1, 10, tzinfo=UTC), 1, "m1")
    assert (mixed.model, mixed.posts, mixed.called_positive, mixed.reach) == ("m1", 2, 2, 7)
    assert (newest.model, newest.posts, newest.called_negative) == ("m2", 1, 1)
    assert newest.sum_negative == pytest.approx(0.6)
    score(either, [0.6, 0.3, 0.1], "m2", NOW + timedelta(seconds=2))
    assert [(row.model, row.posts) for row in count_hours(either)] == [("m1", 1), ("m2", 3)]
    assert counted(either, DirtyHour) == 0


def test_a_change_while_an_hour_is_counted_is_not_lost(either: Database, brands: list[int]) -> None:
    """Writers and counters at once: when all are done and the rest is counted, the counts are those of the posts."""
    found = [replace(FIRST, external_id=str(number)) for number in range(120)]
    steps: list[Callable[[], object]] = []
    for place in range(0, 120, 10):
        steps.append(lambda place=place: keep(either, found[place : place + 10], brands))
        steps.append(lambda: score(either, [0.1, 0.2, 0.7]))
        steps.append(lambda: count_hours(either))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda step: step(), steps))
    while score(either, [0.1, 0.2, 0.7]):
        pass
    assert [(row.posts, row.called_positive) for row in count_hours(either)] == [(120, 120), (120, 120)]


def test_more_reposts_are_reach_and_no_new_post(either: Database, brands: list[int]) -> None:
    keep(either, [FIRST], brands[:1])
    count_hours(either)
    with either.write() as session:
        posts.count_reposts(session, "x", {"1": 40, "unheard of": 3})
    keep(either, [FIRST], brands[:1])  # a page that comes late
    (hour,) = count_hours(either)
    assert (hour.reach, hour.posts) == (40, 1)
