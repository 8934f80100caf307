"""What feeds have and others don't: Atom, old entries, changed entries, pages that have moved on, bad manners."""

from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from overheard.collectors import http, rss
from overheard.collectors.base import Asked, Cursor, Page, Post, Topic
from overheard.errors import DataError, SourceBusy, SourceDown
from tests.collectors.case import TERM
from tests.collectors.rss_case import RSS, RssCase
from tests.collectors.server import Reply

ATOM = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en-GB"><title>A blog</title>
<entry><id>tag:blog.example,2026:1</id><title>acme &amp; sons</title><link href="https://blog.example/1"/>
<author><name>Ada</name></author><published>2026-03-01T09:00:00+01:00</published><updated>{updated}</updated>
<content type="html">&lt;p&gt;{text}&lt;/p&gt;</content></entry></feed>"""


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[RssCase]:
    case = RssCase(tmp_path)
    yield case
    case.close()


def read(feed: RssCase, cursor: Cursor | None = None, asked: Asked | None = None) -> Page:
    (page,) = feed.collector().read(asked or feed.asked(), cursor or {}, feed.now, None)
    return page


def serve(feed: RssCase, document: str | bytes, **headers: str) -> None:
    body = document if isinstance(document, bytes) else document.encode()
    feed.server.trouble = Reply(200, body, {"Content-Type": RSS, **headers})


def only(page: Page) -> Post:
    (post,) = page.posts
    return post


def test_an_atom_entry_is_understood(feed: RssCase) -> None:
    serve(feed, ATOM.format(updated="2026-03-01T09:00:00+01:00", text="very loud"))
    post = only(read(feed))
    assert (post.external_id, post.text) == ("tag:blog.example,2026:1", "acme & sons\nvery loud")
    assert (post.author, post.url, post.language) == ("Ada", "https://blog.example/1", "en")
    assert post.posted_at.isoformat() == "2026-03-01T08:00:00+00:00"
    assert post.edited_at is None


def test_an_entry_that_says_it_was_updated_comes_once_more(feed: RssCase) -> None:
    serve(feed, ATOM.format(updated="2026-03-01T09:00:00+01:00", text="loud"))
    first = read(feed)
    serve(feed, ATOM.format(updated="2026-03-01T11:00:00+01:00", text="not so loud"))
    second = read(feed, first.cursor)
    assert only(second).external_id == only(first).external_id
    assert only(second).edited_at == feed.now.replace(hour=10)
    assert read(feed, second.cursor).posts == ()


def test_an_unchanged_feed_is_not_sent_again(feed: RssCase) -> None:
    feed.publish(f"{TERM} 1")
    first = read(feed)
    again = read(feed, first.cursor)
    assert feed.server.requests[-1].headers["if-none-match"] == first.cursor["etag"]
    assert (again.posts, again.cursor) == ((), first.cursor)


def test_a_page_without_any_known_entry_tells_of_a_gap(feed: RssCase) -> None:
    feed.publish(f"{TERM} 1")
    first = read(feed)
    known_until = only(first).posted_at
    feed.items.clear()
    feed.now += timedelta(days=2)
    feed.publish(f"{TERM} 2", f"{TERM} 3")
    page = read(feed, first.cursor)
    assert page.lost
    assert (page.lost.since, page.lost.until) == (known_until, min(post.posted_at for post in page.posts))


def test_a_page_that_still_has_a_known_entry_tells_of_none(feed: RssCase) -> None:
    feed.publish(f"{TERM} 1", f"{TERM} 2")
    first = read(feed)
    feed.items.pop()
    feed.publish(f"{TERM} 3")
    assert read(feed, first.cursor).lost is None


def test_a_feed_that_was_emptied_and_filled_again_brings_only_news(feed: RssCase) -> None:
    feed.publish(f"{TERM} 1")
    items, first = feed.items, read(feed)
    feed.items = []
    empty = read(feed, first.cursor)
    feed.items = items
    feed.publish(f"{TERM} 2")
    assert (empty.posts, empty.lost) == ((), None)
    assert [post.text for post in read(feed, empty.cursor).posts] == [f"{TERM} 2"]


def test_what_is_remembered_is_bounded(feed: RssCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rss, "REMEMBERED", 5)
    cursor: Cursor = {}
    for number in range(12):
        feed.items = []
        feed.publish(f"{TERM} {number}")
        cursor = read(feed, cursor).cursor
    assert len(cursor["known"]) == 6


def test_entries_are_chosen_by_the_topic_unless_all_are_wanted(feed: RssCase) -> None:
    feed.publish("nothing of interest", f"{TERM} is", f"{TERM} and a coyote")
    topic, address = Topic((TERM,), ("coyote",)), feed.asked().target
    assert [post.text for post in read(feed, asked=Asked(topic, address)).posts] == [f"{TERM} is"]
    assert len(read(feed, asked=Asked(topic, address, {"match": "all"})).posts) == 3


def test_an_entry_without_a_guid_is_known_by_its_link(feed: RssCase) -> None:
    feed.put(f"<link>https://blog.example/7</link><title>{TERM}</title>", feed.tick())
    assert only(read(feed)).external_id == "https://blog.example/7"


def test_a_guid_that_is_only_a_number_is_not_mixed_up_with_another_feeds(feed: RssCase) -> None:
    feed.put(f'<guid isPermaLink="false">7</guid><title>{TERM}</title>', feed.tick())
    assert only(read(feed)).external_id == f"{feed.asked().target}#7"


def test_an_endless_guid_is_cut_and_stays_unique(feed: RssCase) -> None:
    for end in "ab":
        feed.put(f"<guid>https://blog.example/{'x' * 900}{end}</guid><title>{TERM}</title>", feed.tick())
    ids = {post.external_id for post in read(feed).posts}
    assert len(ids) == 2
    assert all(len(name) <= 512 for name in ids)


def test_an_entry_without_a_time_is_of_now_and_one_of_the_future_too(feed: RssCase) -> None:
    feed.put(f"<guid>https://blog.example/1</guid><title>{TERM}</title>")
    feed.put(f"<guid>https://blog.example/2</guid><title>{TERM}</title>", feed.now + timedelta(days=400))
    assert [post.posted_at for post in read(feed).posts] == [feed.now, feed.now]


def test_a_damaged_feed_gives_what_it_has(feed: RssCase) -> None:
    feed.publish(f"{TERM} 1", f"{TERM} 2")
    serve(feed, feed.document()[:-40])
    assert f"{TERM} 2" in [post.text for post in read(feed).posts]


def test_a_feed_that_the_parser_fails_on_is_no_news(feed: RssCase) -> None:
    serve(feed, "<rss version='2.0'><channel><item><title>acme &#x110000; &</title>")
    with pytest.raises(SourceDown, match="no feed"):
        read(feed)


def test_an_old_encoding_is_read(feed: RssCase) -> None:
    feed.publish(f"{TERM} café")
    document = feed.document().decode().replace('version="1.0"', 'version="1.0" encoding="iso-8859-1"', 1)
    serve(feed, document.encode("latin-1"), **{"Content-Type": "application/xml"})
    assert only(read(feed)).text == f"{TERM} café"


def test_a_body_that_is_the_name_of_a_file_opens_none(feed: RssCase, tmp_path: Path) -> None:
    feed.publish(f"{TERM} secret")
    (tmp_path / "feed.xml").write_bytes(feed.document())
    serve(feed, str(tmp_path / "feed.xml"))
    with pytest.raises(SourceDown):
        read(feed)


def test_entities_reach_no_files(feed: RssCase, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a secret")
    doctype = f'<!DOCTYPE r [<!ENTITY b "bee"><!ENTITY f SYSTEM "file://{tmp_path}/kept">]>'
    item = f"<item><guid>https://b.example/1</guid><title>{TERM} &b; &f;</title></item>"
    serve(feed, f'<?xml version="1.0"?>{doctype}<rss version="2.0"><channel>{item}</channel></rss>')
    assert "secret" not in only(read(feed)).text


def test_more_than_a_feed_can_be_is_not_read(feed: RssCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_BYTES", 2_000_000)
    serve(feed, b"<rss>" + b" " * 2_100_000)
    with pytest.raises(SourceDown, match="more than 2 MB"):
        read(feed)


def test_redirects_are_followed_but_not_for_ever_and_not_to_files(feed: RssCase) -> None:
    feed.publish(f"{TERM} here")
    answer, there = feed.answer, feed.server.url
    moved = Asked(Topic((TERM,)), f"{there}/old")
    feed.server.answer = lambda r: Reply(301, headers={"Location": "/feed.xml"}) if r.path == "/old" else answer(r)
    assert only(read(feed, asked=moved)).text == f"{TERM} here"
    for target in ("/old", "file:///etc/passwd"):
        feed.server.trouble = Reply(302, headers={"Location": target})
        with pytest.raises(SourceDown):
            read(feed, asked=moved)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds_is_honoured(feed: RssCase, status: int) -> None:
    feed.server.trouble = Reply(status, headers={"Retry-After": "120"})
    with pytest.raises(SourceBusy) as raised:
        read(feed)
    assert raised.value.retry_at == feed.now + timedelta(minutes=2)


@pytest.mark.parametrize("header", ["", "soon", "99999999999999999999", "-5", "Tue, 99 Foo 2026"])
def test_a_strange_retry_after_does_no_harm(feed: RssCase, header: str) -> None:
    assert feed.now <= http.retry_at(header, feed.now) <= feed.now + timedelta(days=1)


def test_a_retry_after_of_years_is_a_day(feed: RssCase) -> None:
    far = format_datetime(feed.now + timedelta(days=900), usegmt=True)
    assert http.retry_at(far, feed.now) == feed.now + timedelta(days=1)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "blog.example/feed",
        "file:///etc/passwd",
        "ftp://blog.example/",
        "http://",
        "http://[x",
        "https://ada:pw@blog.example/",
    ],
)
def test_only_web_addresses_are_feeds(feed: RssCase, target: str) -> None:
    with pytest.raises(DataError):
        feed.collector().check(Asked(Topic((TERM,)), target))


def test_an_unknown_way_to_match_is_refused(feed: RssCase) -> None:
    with pytest.raises(DataError, match="terms or all"):
        feed.collector().check(Asked(Topic(()), feed.asked().target, {"match": "some"}))
