"""A feed is tried out before it is added: against sites of our own, through the real collectors."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from overheard import trials
from overheard.collectors.base import Topic
from overheard.settings import Settings
from overheard.sources import Source
from overheard.store import inspections
from overheard.store.database import Database
from overheard.store.tables.heard import Post
from overheard.trials import Trial
from tests.collectors.case import OnlineCase
from tests.collectors.rss_case import RssCase
from tests.collectors.server import Reply
from tests.collectors.x_case import XCase

ACME = Topic(("acme",))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RssCase]:
    case = RssCase(tmp_path)
    yield case
    case.close()


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[XCase]:
    """It bills what is read."""
    case = XCase(tmp_path)
    yield case
    case.close()


def tried(database: Database, case: OnlineCase, target: str = "", about: Topic = ACME, **settings: object) -> Trial:
    told = Settings.model_validate({"feed_hosts": "127.0.0.1", **case.secrets, **case.settings(), **settings})
    return trials.run(database, told, Source(case.source, target), about, case.now)


def test_it_tells_how_much_is_there_and_what_it_says_and_keeps_nothing(database: Database, site: RssCase) -> None:
    site.publish("acme is fine", "not about us", "acme wants mail at ann@example.com")
    found = tried(database, site, f"{site.server.url}/feed.xml")
    assert (found.posts, found.reason) == (2, "")
    assert found.examples == ("acme wants mail at [email]", "acme is fine")
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Post)) == 0


def test_a_site_that_answers_and_has_nothing_about_the_brand_works(database: Database, site: RssCase) -> None:
    site.publish("not about us")
    assert tried(database, site, f"{site.server.url}/feed.xml") == Trial()


def test_what_can_not_be_read_says_why_and_what_to_do(database: Database, site: RssCase) -> None:
    found = tried(database, site, f"{site.server.url}/elsewhere.xml")
    assert "404" in found.reason
    assert "browser" in found.advice
    site.server.trouble = Reply(200, b"<html>We'll be back")
    assert "no feed" in tried(database, site, f"{site.server.url}/feed.xml").reason
    assert "no source 'usenet'" in trials.run(database, Settings(), Source("usenet"), ACME, site.now).reason


def test_paid_reads_are_few_and_billed(database: Database, platform: XCase) -> None:
    platform.publish(*(f"acme {number}" for number in range(30)))
    found = tried(database, platform, x_monthly_reads=10_000)
    assert (found.posts, found.newest_at is not None) == (10, True)
    with database.read() as session:
        assert inspections.spent(session, "x", platform.now).month == 10


def test_where_the_budget_has_too_little_left_nothing_is_asked(database: Database, platform: XCase) -> None:
    platform.publish("acme")
    assert "paid reads" in tried(database, platform, x_monthly_reads=31).reason
    assert platform.server.requests == []


def test_a_token_that_is_wrong_is_for_the_operator(database: Database, platform: XCase) -> None:
    found = tried(database, platform, x_token="another", x_monthly_reads=10_000)
    assert found.advice
    assert "another" not in found.reason
