"""What every collector promises, through its real client library, against a server that speaks its platform's protocol.

A test that takes `case` runs for all platforms; `online`, `paged`, `billed`, `keyed` for those that have the notion.
"""

import json
import logging
import subprocess
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from overheard.collectors.base import Cursor, Page, Post
from overheard.errors import SettingsError, SourceBusy, SourceDown, SourceError, SourceRefused
from overheard.settings import PREFIX
from tests.collectors.case import TERM, Case, OnlineCase
from tests.collectors.cases import BILLED, CASES, KEYED, ONLINE, PAGED
from tests.collectors.server import HANG_UP, SILENCE, Reply

TEXTS = (
    f"{TERM}: fish & chips",
    f'"{TERM}" < 5 € > nothing',
    f"{TERM} 🎉 naïve 日本語",
    f"{TERM} &amp; co",
    f"first line of {TERM}\nsecond line",
)


def over(kinds: tuple[type[Case], ...]) -> Any:
    """A fixture: a fresh case of each of these platforms."""

    @pytest.fixture(params=kinds, ids=lambda kind: kind.source)
    def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
        case = request.param(tmp_path)
        yield case
        case.close()

    return opened


case, online, paged, billed, keyed = map(over, (CASES, ONLINE, PAGED, BILLED, KEYED))
online_paged = over(tuple(kind for kind in ONLINE if kind.page))
extra = over(tuple(kind for kind in ONLINE if kind.library))


def pages(case: Case, cursor: Cursor | None = None, reads: int | None = None) -> Iterator[Page]:
    """An inspection by a collector that has just been started, with a cursor that was in a database."""
    return case.collector().read(case.asked(), json.loads(json.dumps(cursor or {})), case.now, reads)


def read(case: Case, cursor: Cursor | None = None, reads: int | None = None) -> list[Page]:
    return list(pages(case, cursor, reads))


def posts(found: list[Page]) -> list[Post]:
    return [post for page in found for post in page.posts]


def ids(found: list[Page]) -> list[str]:
    return [post.external_id for post in posts(found)]


def publish_pages(case: Case, count: int = 3) -> list[str]:
    """Posts for so many pages, the last one not full; for a few where there are no pages."""
    how_many = case.page * count - case.page // 2 if case.page else 7
    return case.publish(*(f"{TERM} number {number}" for number in range(how_many)))


def error_of(case: Case, trouble: Reply, **settings: object) -> SourceError:
    assert isinstance(case, OnlineCase)
    case.server.trouble = trouble
    with pytest.raises(SourceError) as raised:
        list(case.collector(**settings).read(case.asked(), {}, case.now, None))
    case.server.trouble = None
    assert raised.value.source == case.source
    return raised.value


def test_all_posts_of_all_pages_come_exactly_once(case: Case) -> None:
    published = publish_pages(case)
    found = read(case)
    assert sorted(ids(found)) == sorted(published)
    assert len(found) > 2 or not case.page
    assert [page.unread is None for page in found] == [False] * (len(found) - 1) + [True]


def test_texts_arrive_as_they_were_written(case: Case) -> None:
    published = case.publish(*TEXTS)
    found = {post.external_id: post.text for post in posts(read(case))}
    assert found == dict(zip(published, TEXTS, strict=True))


def test_times_are_when_a_post_was_published_in_utc(case: Case) -> None:
    began_at = case.now
    case.publish(*TEXTS)
    for post in posts(read(case)):
        assert post.posted_at.utcoffset() == timedelta(0)
        assert began_at - timedelta(seconds=1) <= post.posted_at <= case.now


def test_nothing_new_is_one_page_without_posts(case: Case) -> None:
    publish_pages(case)
    case.settle()
    *_, last = read(case)
    (page,) = read(case, last.cursor)
    assert (page.posts, page.unread, page.lost, page.skipped, page.reads) == ((), None, None, (), 0)


def test_what_is_published_later_is_found_by_the_next_inspection_and_nothing_else(case: Case) -> None:
    publish_pages(case)
    case.settle()
    *_, last = read(case)
    later = case.publish(f"{TERM} again", f"{TERM} and again")
    assert sorted(ids(read(case, last.cursor))) == sorted(later)


def test_stopping_after_any_page_loses_nothing(paged: Case) -> None:
    published = publish_pages(paged, 4)
    for stop_after in range(1, len(read(paged))):
        before = list(islice(pages(paged), stop_after))
        after = read(paged, before[-1].cursor)
        assert sorted({*ids(before), *ids(after)}) == sorted(published)
        assert after[-1].unread is None


def test_a_collector_killed_after_every_single_page_comes_to_the_end(paged: Case) -> None:
    published = publish_pages(paged, 4)
    page = next(pages(paged))
    found = [page]
    while page.unread is not None and len(found) < 20:
        page = next(pages(paged, page.cursor))
        found.append(page)
    assert set(ids(found)) == set(published)
    assert page.unread is None


def test_posts_that_arrive_while_pages_are_read_are_found(paged: Case) -> None:
    published = publish_pages(paged)
    found = []
    for page in pages(paged):
        found.append(page)
        if len(found) <= 2:
            published += paged.publish(f"{TERM} breaking {len(found)}", f"{TERM} more {len(found)}")
    found += read(paged, found[-1].cursor)
    assert set(ids(found)) == set(published)


def test_posts_that_arrive_between_a_kill_and_the_restart_are_found(paged: Case) -> None:
    published = publish_pages(paged)
    found = [next(pages(paged))]
    published += paged.publish(*(f"{TERM} while it was away {number}" for number in range(3)))
    found += read(paged, found[-1].cursor)
    found += read(paged, found[-1].cursor)
    assert set(ids(found)) == set(published)


def test_pages_read_before_a_trouble_stay_valid(online_paged: OnlineCase) -> None:
    paged = online_paged
    published = publish_pages(paged)
    under_way = pages(paged)
    first = next(under_way)
    paged.server.trouble = Reply(503)
    with pytest.raises(SourceDown):
        list(under_way)
    paged.server.trouble = None
    assert set(ids([first, *read(paged, first.cursor)])) == set(published)


def test_one_broken_item_does_not_hide_the_others(case: Case) -> None:
    published = case.publish(*TEXTS[:2])
    case.publish_broken()
    published += case.publish(*TEXTS[2:])
    found = read(case)
    assert sorted(ids(found)) == sorted(published)
    assert sum(len(page.skipped) for page in found) == 1


def test_a_rate_limit_says_when_to_come_back(online: OnlineCase) -> None:
    publish_pages(online)
    until = online.now.replace(microsecond=0) + timedelta(minutes=11)
    error = error_of(online, online.rate_limit(until))
    assert isinstance(error, SourceBusy)
    assert error.retry_at.tzinfo is UTC
    assert abs(error.retry_at - until) <= timedelta(seconds=2)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failing_platform_is_down(online: OnlineCase, status: int) -> None:
    assert isinstance(error_of(online, Reply(status, b"<h1>oops</h1>")), SourceDown)


def test_a_platform_that_does_not_answer_is_down_in_time(online: OnlineCase) -> None:
    assert isinstance(error_of(online, SILENCE, fetch_timeout_s=0.2), SourceDown)


def test_a_platform_that_hangs_up_is_down(online: OnlineCase) -> None:
    assert isinstance(error_of(online, HANG_UP), SourceDown)


def test_a_platform_that_is_nowhere_is_down(online: OnlineCase) -> None:
    reader = pages(online)
    online.server.close()
    with pytest.raises(SourceDown):
        list(reader)


def test_a_refusal_says_what_the_operator_should_do(online: OnlineCase) -> None:
    for refusal in online.refusals:
        error = error_of(online, refusal)
        assert isinstance(error, SourceRefused), refusal
        assert error.advice


def test_nonsense_is_no_news(online: OnlineCase) -> None:
    """An answer of another shape must not pass for "nothing new"."""
    publish_pages(online)
    for body in online.nonsense:
        assert isinstance(error_of(online, Reply(200, body, {"Content-Type": "text/html"})), SourceDown), body


def test_check_finds_nothing_wrong(case: Case) -> None:
    case.publish(*TEXTS)
    case.collector().check(case.asked())


def test_a_missing_key_is_named(keyed: Case) -> None:
    for name in keyed.secrets:
        reader, asked = keyed.collector(**{name: None}), keyed.asked()
        with pytest.raises(SettingsError, match=f"{PREFIX}{name.upper()}"):
            reader.check(asked)
        with pytest.raises(SettingsError, match=f"{PREFIX}{name.upper()}"):
            list(reader.read(asked, {}, keyed.now, None))


def test_keys_show_in_no_log_and_no_error(keyed: Case, caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(keyed, OnlineCase)
    caplog.set_level(logging.DEBUG)
    publish_pages(keyed)
    shown = [repr(keyed.collector()), repr(vars(keyed.collector())), repr(read(keyed))]
    for trouble in (*keyed.refusals, Reply(500), Reply(200, b"{"), HANG_UP):
        shown += traceback.format_exception(error_of(keyed, trouble))
    for secret in keyed.secrets.values():
        assert secret not in "".join(shown) + caplog.text


def test_what_may_be_billed_is_never_exceeded(billed: Case) -> None:
    published = publish_pages(billed, 4)
    assert billed.page
    found: list[Page] = []
    for _ in range(20):
        allowed = billed.page + billed.page // 2
        some = read(billed, found[-1].cursor if found else None, allowed)
        assert 0 <= sum(page.reads for page in some) <= allowed
        found += some
        if some[-1].unread is None:
            break
    assert set(ids(found)) == set(published)
    assert sum(page.reads for page in found) == len(published)


def test_with_nothing_left_to_spend_nobody_asks(billed: Case) -> None:
    assert isinstance(billed, OnlineCase)
    publish_pages(billed)
    (page,) = read(billed, reads=0)
    assert (page.posts, page.reads) == ((), 0)
    assert page.unread
    assert page.unread.reason
    assert not billed.server.requests


def test_what_is_not_billed_counts_no_reads() -> None:
    assert {case.source for case in BILLED} <= {"x"}


def test_a_client_library_that_is_not_installed_is_named(extra: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_pages(extra)
    for module in [name for name in sys.modules if name.startswith(f"overheard.collectors.{extra.source}")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, extra.library, None)
    with pytest.raises(SettingsError, match=extra.library):
        read(extra)


def test_importing_collectors_imports_no_client_library() -> None:
    """One fresh interpreter for all: each costs a second."""
    libraries = {case.library for case in CASES if case.library}
    modules = ", ".join(f"overheard.collectors.{case.source}" for case in CASES)
    script = f"import sys, {modules}; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert not libraries.intersection(output.split())
