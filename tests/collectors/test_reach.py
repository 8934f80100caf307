"""Feeds are read from the open internet alone: whoever may add one can't have this machine call its neighbours."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from overheard.collectors import collector
from overheard.collectors.base import Asked, Topic
from overheard.errors import DataError, SourceRefused
from overheard.settings import Settings
from tests.collectors.mastodon_case import MastodonCase
from tests.collectors.rss_case import RssCase
from tests.collectors.server import Reply, Server

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOT_ALLOWED = "OVERHEARD_FEED_HOSTS"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RssCase]:
    case = RssCase(tmp_path)
    case.publish("acme")
    yield case
    case.close()


def read(url: str, source: str = "rss", **settings: object) -> int:
    """How many posts a feed has."""
    asked = Asked(Topic(("acme",)), url)
    platform = collector(source, Settings(**settings))
    return sum(len(page.posts) for page in platform.read(asked, {}, NOW, None))


def test_a_feed_inside_is_refused_before_anything_is_asked_of_it(site: RssCase) -> None:
    with pytest.raises(DataError, match=NOT_ALLOWED):
        collector("rss", Settings()).check(site.asked())
    with pytest.raises(SourceRefused, match=NOT_ALLOWED):
        read(site.asked().target)
    assert site.server.requests == []


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_another_way_of_writing_an_address_leads_nowhere_else(site: RssCase, host: str) -> None:
    url = site.asked().target.replace("127.0.0.1", host)
    with pytest.raises(SourceRefused, match=NOT_ALLOWED):
        read(url)
    assert site.server.requests == []


def test_a_name_that_leads_inside_by_the_time_it_is_called_is_refused(
    site: RssCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that answers otherwise the second time: whatever a check saw, the connection is what counts."""
    look_up, answers = socket.getaddrinfo, iter(["8.8.8.8"])

    def rebound(host: str, *rest: object, **more: object) -> object:
        return look_up(next(answers, "127.0.0.1") if host == "rebound.example" else host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    assert socket.getaddrinfo("rebound.example", 80)[0][4][0] == "8.8.8.8"
    with pytest.raises(SourceRefused, match=NOT_ALLOWED):
        read(site.asked().target.replace("127.0.0.1", "rebound.example"))
    assert site.server.requests == []


@pytest.mark.parametrize(
    "inside", ["http://127.0.0.2:1/", "http://169.254.169.254/latest/meta-data/", "http://[::1]:1/"]
)
def test_a_redirect_leads_nowhere_else_either(inside: str) -> None:
    server = Server(lambda _: Reply(302, headers={"Location": inside}))
    try:
        with pytest.raises(SourceRefused, match=NOT_ALLOWED):
            read(f"{server.url}/feed.xml", feed_hosts="127.0.0.1")
    finally:
        server.close()


def test_what_an_operator_names_is_read(site: RssCase) -> None:
    assert read(site.asked().target, feed_hosts="10.0.0.0/8,127.0.0.1") == 1
    assert read(site.asked().target, feed_hosts="localhost") == 1


def test_a_platforms_server_that_a_setting_names_is_read_and_no_other(tmp_path: Path) -> None:
    case = MastodonCase(tmp_path)
    try:
        case.publish("#acme")
        assert read("", "mastodon", mastodon_url=case.server.url) == 1
        asked = len(case.server.requests)
        with pytest.raises(SourceRefused, match=NOT_ALLOWED):
            read(case.server.url, "mastodon")
        assert len(case.server.requests) == asked
    finally:
        case.close()


def test_only_what_the_collector_calls_is_kept_to_that(site: RssCase) -> None:
    asked = Asked(Topic(("acme",)), site.asked().target)
    elsewhere = Server(lambda _: Reply(200))
    try:
        for _ in collector("rss", Settings(feed_hosts="127.0.0.1/32")).read(asked, {}, NOW, None):
            socket.create_connection(("127.0.0.1", int(elsewhere.url.rpartition(":")[2]))).close()
        reading = collector("rss", Settings()).read(asked, {}, NOW, None)
        with pytest.raises(SourceRefused):
            next(reading)
        socket.create_connection(("127.0.0.1", int(elsewhere.url.rpartition(":")[2]))).close()
    finally:
        elsewhere.close()
