"""What X has and others don't: long, edited, quoted and reposted posts, a window of seven days, several queries."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from overheard.collectors.base import Asked, Cursor, Lookup, Page, Post, Topic
from overheard.collectors.x_query import queries
from overheard.errors import SettingsError, SourceBusy, SourceDown, SourceRefused
from tests.collectors.server import as_json
from tests.collectors.x_case import XCase, id_at, problem


@pytest.fixture
def x(tmp_path: Path) -> Iterator[XCase]:
    case = XCase(tmp_path)
    yield case
    case.close()


def read(x: XCase, cursor: Cursor | None = None, asked: Asked | None = None, reads: int | None = None) -> list[Page]:
    return list(x.collector().read(asked or x.asked(), cursor or {}, x.now, reads))


def only(x: XCase) -> Post:
    ((post,),) = (page.posts for page in read(x))
    return post


def asked_for(x: XCase) -> list[dict[str, str]]:
    return [dict(request.query) for request in x.server.requests]


def test_what_x_tells_of_a_post_is_kept(x: XCase) -> None:
    number = x.add("acme!", lang="in", public_metrics={"retweet_count": 42})
    post = only(x)
    assert (post.external_id, post.author, post.language, post.reach) == (number, "2244994945", "id", 42)
    assert post.url == f"https://x.com/i/web/status/{number}"


def test_a_long_post_is_read_to_its_end(x: XCase) -> None:
    x.add("acme is…", note_tweet={"text": "acme is &lt;3 " + "and more " * 100 + "the end"})
    assert only(x).text.startswith("acme is <3 and more")
    assert only(x).text.endswith("the end")


def test_an_edited_post_keeps_its_id_and_its_time(x: XCase) -> None:
    first = x.add("acme is god")
    posted_at = x.now
    *_, last = read(x)
    x.now += timedelta(minutes=5)
    x.tweets.clear()
    x.add("acme is good", edit_history_tweet_ids=[first, str(id_at(x.now + timedelta(seconds=0.4)))])
    ((post,),) = (page.posts for page in read(x, last.cursor))
    assert (post.external_id, post.text) == (first, "acme is good")
    assert abs(post.posted_at - posted_at) < timedelta(seconds=1)
    assert post.edited_at
    assert abs(post.edited_at - x.now) < timedelta(seconds=1)


def test_quotes_and_replies_say_of_what(x: XCase) -> None:
    x.add("acme, really?", referenced_tweets=[{"type": "quoted", "id": "11"}, {"type": "replied_to", "id": "12"}])
    post = only(x)
    assert (post.quotes, post.replies_to) == ("11", "12")


def test_a_repost_is_reach_and_no_post(x: XCase) -> None:
    for count in (7, 8):
        retweet = [{"type": "retweeted", "id": "99"}]
        x.add("RT @a: acme", referenced_tweets=retweet, public_metrics={"retweet_count": count})
    (page,) = read(x, asked=Asked(Topic(()), "acme"))
    assert (page.posts, page.reposts, page.reads) == ((), {"99": 8}, 2)


def test_only_what_is_newer_than_the_last_known_post_is_asked_for(x: XCase) -> None:
    *_, newest = x.publish("acme 1", "acme 2")
    *_, last = read(x)
    read(x, last.cursor)
    assert [query.get("since_id") for query in asked_for(x)] == [None, newest]


def test_a_quiet_fortnight_loses_nothing(x: XCase) -> None:
    """X refuses a since_id that is older than its window, though nothing has been missed."""
    x.publish("acme")
    *_, last = read(x)
    for _ in range(14):
        x.now += timedelta(days=1)
        (last,) = read(x, last.cursor)
        assert (last.posts, last.lost) == ((), None)
    x.publish("acme again")
    assert [post.text for page in read(x, last.cursor) for post in page.posts] == ["acme again"]


def test_an_outage_longer_than_the_window_is_said_to_be_lost(x: XCase) -> None:
    x.publish("acme")
    *_, last = read(x)
    stopped_at = x.now
    x.now += timedelta(days=10)
    x.publish("acme again")
    (page,) = read(x, last.cursor)
    assert [post.text for post in page.posts] == ["acme again"]
    assert page.lost
    assert page.lost.since == stopped_at
    assert abs(page.lost.until - (x.now - timedelta(days=7))) < timedelta(minutes=2)


def test_a_since_id_that_x_calls_too_old_is_dropped_and_the_rest_said_to_be_lost(x: XCase) -> None:
    x.publish("acme")
    *_, last = read(x)
    x.window = timedelta(days=6)
    x.now += timedelta(days=6, hours=12)
    x.publish("acme again")
    (page,) = read(x, last.cursor)
    assert [post.text for post in page.posts] == ["acme again"]
    assert page.lost
    assert timedelta(hours=11) < page.lost.until - page.lost.since < timedelta(hours=13)


def test_a_sweep_that_stopped_too_long_ago_ends_where_x_ends(x: XCase) -> None:
    x.publish(*(f"acme {number}" for number in range(250)))
    first = next(iter(x.collector().read(x.asked(), {}, x.now, None)))
    stopped_at = x.now
    x.now += timedelta(days=8)
    (page,) = read(x, first.cursor)
    assert page.posts == ()
    assert page.lost
    assert page.lost.until <= stopped_at
    x.publish("acme again")
    assert [post.text for found in read(x, page.cursor) for post in found.posts] == ["acme again"]


def test_an_empty_page_with_a_token_is_not_the_last(x: XCase) -> None:
    x.publish("acme")
    answer = x.server.answer
    pages = iter([as_json({"meta": {"result_count": 0, "next_token": "t0"}})])
    x.server.answer = lambda request: next(pages, None) or answer(request)
    assert [post.text for page in read(x) for post in page.posts] == ["acme"]
    assert [query.get("next_token") for query in asked_for(x)] == [None, "t0"]


def test_each_of_several_queries_has_its_own_place(x: XCase) -> None:
    topic = Topic(tuple(f"acme number {number} of a brand with many products" for number in range(20)))
    both = queries(topic)
    assert len(both) > 1
    x.publish(*(f"acme {number}" for number in range(150)))
    first = next(iter(x.collector().read(Asked(topic), {}, x.now, None)))
    *_, last = read(x, first.cursor, Asked(topic))
    assert set(last.cursor) == set(both)
    assert len({state["since_id"] for state in last.cursor.values()}) == 1
    (page,) = read(x, last.cursor, Asked(topic))
    assert (page.posts, page.unread) == ((), None)


def test_a_small_budget_goes_round_the_queries(x: XCase) -> None:
    topic = Topic(tuple(f"acme number {number} of a brand with many products" for number in range(20)))
    cursor: Cursor = {}
    for _ in range(6):
        x.now += timedelta(minutes=5)
        x.publish(*(f"acme {number}" for number in range(10)))
        *_, last = read(x, cursor, Asked(topic), reads=100)
        cursor = last.cursor
    assert {query["query"] for query in asked_for(x)} == set(queries(topic))


def test_with_fewer_than_ten_reads_left_it_stops(x: XCase) -> None:
    x.publish(*(f"acme {number}" for number in range(40)))
    (page,) = read(x, reads=19)
    assert page.reads == 19
    assert page.unread
    assert "used up" in page.unread.reason
    assert [query["max_results"] for query in asked_for(x)] == ["19"]


def test_no_post_is_paid_for_twice_by_asking_for_more_about_it(x: XCase) -> None:
    x.publish("acme")
    read(x)
    assert not any("expansions" in query for query in asked_for(x))


@pytest.mark.parametrize(
    ("reply", "advice"),
    [
        (problem(401, "about:blank", "Unauthorized"), "OVERHEARD_X_TOKEN"),
        (problem(402, "credits", "no credits"), "buy more"),
        (problem(403, "client-forbidden", "no"), "plan"),
        (problem(400, "invalid-request", "missing EOF at ')'"), "change the brand's terms"),
        (problem(404, "not-found", "no such path"), "OVERHEARD_X_URL"),
        (problem(429, "usage-capped", "UsageCapExceeded"), "buy more"),
    ],
)
def test_each_refusal_has_its_own_advice(x: XCase, reply: object, advice: str) -> None:
    x.server.trouble = reply
    with pytest.raises(SourceRefused) as raised:
        read(x)
    assert advice in raised.value.advice


def test_what_x_says_of_a_bad_query_is_passed_on(x: XCase) -> None:
    x.server.trouble = problem(400, "invalid-request", "missing EOF at ')'")
    with pytest.raises(SourceRefused, match="missing EOF"):
        read(x)


def test_a_rate_limit_without_a_time_is_a_quarter_of_an_hour(x: XCase) -> None:
    x.server.trouble = as_json({"title": "Too Many Requests"}, 429)
    with pytest.raises(SourceBusy) as raised:
        read(x)
    assert raised.value.retry_at == x.now + timedelta(minutes=15)


@pytest.mark.parametrize("reset", ["0", "-1", "99999999999999"])
def test_a_strange_reset_time_does_no_harm(x: XCase, reset: str) -> None:
    x.server.trouble = as_json({"title": "Too Many Requests"}, 429, {"x-rate-limit-reset": reset})
    with pytest.raises(SourceBusy) as raised:
        read(x)
    assert x.now <= raised.value.retry_at <= x.now + timedelta(days=1)


def test_a_redirect_is_not_followed_with_the_token(x: XCase) -> None:
    x.server.trouble = as_json({}, 302, {"Location": "http://elsewhere.invalid/"})
    with pytest.raises(SourceDown):
        read(x)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "tokén"])
def test_a_token_that_no_header_can_hold_is_not_shown(x: XCase, token: str) -> None:
    with pytest.raises(SettingsError) as raised:
        x.collector(x_token=token).check(x.asked())
    assert token not in str(raised.value)


def test_posts_that_are_gone_are_told_in_hundreds(x: XCase) -> None:
    ids = x.publish(*(f"acme {number}" for number in range(150)))
    x.deleted = {ids[3]: "resource-not-found", ids[140]: "not-authorized-for-resource"}
    reader = x.collector()
    assert isinstance(reader, Lookup)
    assert reader.gone(ids, x.now) == {ids[3], ids[140]}
    assert [len(query["ids"].split(",")) for query in asked_for(x)] == [100, 50]


def test_a_post_that_x_does_not_mention_is_not_gone(x: XCase) -> None:
    (number,) = x.publish("acme")
    x.server.trouble = as_json({"data": []})
    reader = x.collector()
    assert isinstance(reader, Lookup)
    assert reader.gone([number], x.now) == set()
