"""What is special about Hacker News."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest

from overheard.collectors.base import Asked, Cursor, Page, Post, Topic
from overheard.errors import DataError
from tests.collectors.hn_case import HnCase


@pytest.fixture
def hn(tmp_path: Path) -> Iterator[HnCase]:
    case = HnCase(tmp_path)
    yield case
    case.close()


def read(hn: HnCase, *terms: str, cursor: Cursor | None = None, **more: str) -> list[Page]:
    asked = Asked(Topic(terms or ("acme",)), options=more)
    return list(hn.collector().read(asked, cursor or {}, hn.now, None))


def posts(pages: list[Page]) -> list[Post]:
    return [post for page in pages for post in page.posts]


def test_a_story_is_its_title_and_what_was_written_below(hn: HnCase) -> None:
    key = hn.story(hn.tick(), "Show HN: Acme & friends", "<p>It&#x27;s <i>new</i>.<p>Try it", author="bob")
    hn.tick()
    (post,) = posts(read(hn))
    assert post.text == "Show HN: Acme & friends\nIt's new.\nTry it"
    assert (post.author, post.replies_to) == ("bob", "")
    assert post.url == f"https://news.ycombinator.com/item?id={key}"


def test_a_comment_says_what_it_replies_to_and_keeps_the_text_of_its_links(hn: HnCase) -> None:
    hn.comment(
        hn.tick(), 'Acme &gt; all: <a href="https:&#x2F;&#x2F;acme.example">https:&#x2F;&#x2F;acme.example</a>', 77
    )
    hn.tick()
    (post,) = posts(read(hn))
    assert post.text == "Acme > all: https://acme.example"
    assert post.replies_to == "77"


def test_more_hits_than_a_query_gives_are_all_read_once(hn: HnCase) -> None:
    hn.most, hn.reachable = 1000, 1000
    began_at = hn.now
    keys = [hn.comment(began_at + timedelta(seconds=number // 7), "acme") for number in range(2_345)]
    hn.now += timedelta(hours=1)
    assert sorted(post.external_id for post in posts(read(hn))) == sorted(keys)
    assert len(hn.server.requests) < 12


def test_words_that_only_begin_like_the_term_and_its_namesakes_are_not_found(hn: HnCase) -> None:
    hn.comment(hn.tick(), "acmeist poetry")
    hn.comment(hn.tick(), "nothing to do with it", author="acme")
    hn.tick()
    assert posts(read(hn)) == []


def test_deleted_comments_are_no_posts(hn: HnCase) -> None:
    hn.comment(hn.tick(), "acme")
    hn.hits[-1].update(comment_text=None, title="")
    hn.story(hn.tick(), "Acme")
    hn.tick()
    assert [post.text for post in posts(read(hn))] == ["Acme"]


def test_a_post_that_several_terms_find_comes_once(hn: HnCase) -> None:
    both = hn.comment(hn.tick(), "Acme rockets")
    one = hn.comment(hn.tick(), "rockets")
    hn.tick()
    pages = read(hn, "acme", "rockets")
    assert sorted(post.external_id for post in posts(pages)) == [both, one]
    assert [page.unread is None for page in pages] == [False] * (len(pages) - 1) + [True]


def test_a_new_term_begins_a_day_back_and_the_others_where_they_were(hn: HnCase) -> None:
    old = hn.comment(hn.tick(), "rockets, and acme")
    hn.now += timedelta(hours=5)
    cursor = read(hn, "acme")[-1].cursor
    assert posts(read(hn, "acme", cursor=cursor)) == []
    pages = read(hn, "acme", "rockets", cursor=cursor)
    assert [post.external_id for post in posts(pages)] == [old]
    assert set(pages[-1].cursor["terms"]) == {"acme", "rockets"}


def test_excluded_words_are_left_out_as_whole_words(hn: HnCase) -> None:
    hn.comment(hn.tick(), "Acme is HIRING")
    kept = hn.comment(hn.tick(), "Acme, rehiringly")
    hn.tick()
    asked = Asked(Topic(("acme",), excluded=("hiring",)))
    assert [post.external_id for post in posts(list(hn.collector().read(asked, {}, hn.now, None)))] == [kept]


def test_the_first_inspection_goes_back_as_far_as_it_is_told(hn: HnCase) -> None:
    hn.comment(hn.now, "acme")
    hn.now += timedelta(days=2)
    assert len(posts(read(hn))) == 0
    assert len(posts(read(hn, since_days="2.5"))) == 1


@pytest.mark.parametrize("days", ["soon", "0", "-1", "nan"])
def test_a_start_that_is_no_number_of_days_is_refused(hn: HnCase, days: str) -> None:
    with pytest.raises(DataError, match="since_days"):
        hn.collector().check(Asked(Topic(("acme",)), options={"since_days": days}))


@pytest.mark.parametrize("terms", [(), (" ",), ('""',)])
def test_there_must_be_something_to_search_for(hn: HnCase, terms: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="nothing to search for"):
        hn.collector().check(Asked(Topic(terms)))


def test_what_is_indexed_late_is_found_by_the_next_inspection(hn: HnCase) -> None:
    hn.comment(hn.tick(), "acme")
    at = hn.tick()
    hn.now += timedelta(minutes=5)
    cursor = read(hn)[-1].cursor
    late = hn.comment(at, "acme, indexed minutes later")
    hn.now += timedelta(minutes=5)
    assert late in [post.external_id for post in posts(read(hn, cursor=cursor))]


def test_a_sweep_that_was_cut_off_is_finished_before_what_came_since_is_read(hn: HnCase) -> None:
    published = hn.publish(*(f"acme {number}" for number in range(50)))
    first = next(hn.collector().read(hn.asked(), {}, hn.now, None))
    published += hn.publish("acme at last")
    pages = read(hn, cursor=first.cursor)
    assert first.unread
    assert pages[0].unread
    assert pages[0].unread.until == hn.now  # not only the rest of the old sweep
    assert {post.external_id for post in posts([first, *pages])} == set(published)
    assert pages[-1].unread is None


def test_unread_is_from_where_the_term_that_lags_most_was_to_now(hn: HnCase) -> None:
    hn.publish("acme", "rockets")
    cursor = read(hn, "acme")[-1].cursor
    asked = replace(hn.asked(), topic=Topic(("acme", "rockets")))
    (page,) = islice(hn.collector().read(asked, cursor, hn.now, None), 1)
    assert page.unread
    assert (page.unread.since, page.unread.until) == (hn.now - timedelta(days=1), hn.now)


def test_the_term_that_lags_most_is_read_first(hn: HnCase) -> None:
    hn.publish("acme", "rockets")
    hn.settle()
    cursor = read(hn, "acme")[-1].cursor
    hn.server.requests.clear()
    read(hn, "acme", "rockets", cursor=cursor)
    assert hn.server.requests[0].query["query"] == '"rockets"'
