"""The page on which one sees whether all is heard, and adds brands and feeds."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage
from tests.browser.looks import looks_right, silent
from tests.collectors.rss_case import RssCase
from tests.stack import RunningStack

pytestmark = pytest.mark.slow


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RssCase]:
    """A news site with two entries about Quillon, and one about the weather."""
    case = RssCase(tmp_path)
    case.now = datetime.now(UTC) - timedelta(hours=1)
    case.publish("Quillon opens a shop", "Rain is coming", "Quillon is late again")
    yield case
    case.close()


@pytest.fixture
def brand(shown: RunningStack) -> Iterator[dict[str, Any]]:
    made = shown.client.post("/brands", json={"name": "Penhallow", "sources": ["webhook:shop"]}).json()
    yield made
    shown.client.delete(f"/brands/{made['id']}")


def forget(stack: RunningStack, name: str) -> None:
    for brand in stack.client.get("/brands", params={"name": name}).json()["brands"]:
        stack.client.delete(f"/brands/{brand['id']}")


def opened(page: Page, address: str = "/app/feeds") -> Page:
    page.goto(address)
    return page


def form(page: Page) -> Any:
    return page.get_by_role("region", name="Add a brand or a feed")


def test_a_brand_and_a_feed_are_added_once_the_connection_was_tested(
    page: Page, shown: RunningStack, site: RssCase
) -> None:
    opened(page).get_by_role("link", name="Add a brand or a feed").click()
    form(page).get_by_label("Brand", exact=True).select_option(label="A new brand …")
    form(page).get_by_label("Its name").fill("Quillon")
    address = form(page).get_by_label("Address of the feed")
    add = form(page).get_by_role("button", name="Add", exact=True)
    test = form(page).get_by_role("button", name="Test the connection")
    address.fill(f"{site.server.url}/elsewhere.xml")
    test.click()
    expect(page.get_by_role("alert")).to_contain_text("404", timeout=40_000)
    expect(page.get_by_role("alert")).to_contain_text("open the address in a browser")
    expect(add).to_be_disabled()
    looks_right(page)
    address.fill(f"{site.server.url}/feed.xml")
    test.click()
    expect(form(page).get_by_text("It answers: 2 posts about Quillon")).to_be_visible(timeout=40_000)
    expect(form(page).get_by_text("Quillon is late again")).to_be_visible()
    address.fill(f"{site.server.url}/feed.xml?other")
    expect(add).to_be_disabled()  # that was not tested
    address.fill(f"{site.server.url}/feed.xml")
    expect(add).to_be_enabled()
    add.click()
    expect(page.get_by_text(re.compile("Listening to RSS .* for Quillon"))).to_be_visible()
    row = page.get_by_role("row", name=re.compile(r"feed\.xml"))
    expect(row.get_by_text("Well")).to_be_visible(timeout=60_000)
    expect(row.get_by_role("img", name=re.compile(r"Posts of the last 7 days"))).to_be_visible(timeout=30_000)
    assert silent(page)
    forget(shown, "Quillon")


def test_what_can_not_be_is_said_in_the_form(page: Page, shown: RunningStack) -> None:
    opened(page, "/app/feeds?add=1")
    form(page).get_by_label("Brand", exact=True).select_option(label="A new brand …")
    form(page).get_by_label("Its name").fill("Quillon")
    form(page).get_by_label("Languages").fill("en, klingon")
    form(page).get_by_label("Where to listen").select_option(label="Hacker News")
    form(page).get_by_role("button", name="Test the connection").click()
    expect(page.get_by_role("alert")).to_contain_text("'klingon' is no ISO 639-1 code")
    form(page).get_by_label("Languages").fill("en")
    form(page).get_by_label("Where to listen").select_option(label="Bluesky")
    form(page).get_by_role("button", name="Test the connection").click()
    expect(page.get_by_role("alert")).to_contain_text("app password")


def test_a_pushed_feed_needs_no_test_and_shows_how_to_push(page: Page, brand: dict[str, Any]) -> None:
    opened(page, f"/app/feeds?brand={brand['id']}&add=1")
    form(page).get_by_label("Where to listen").select_option(label="Pushed by your own program")
    form(page).get_by_label("Name", exact=True).fill("survey")
    form(page).get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="How to push to Pushed survey").click()
    dialog = page.get_by_role("dialog", name="How to push to Pushed survey")
    expect(dialog).to_contain_text(re.compile(r"POST http://127\.0\.0\.1:\d+/webhooks/\d+"))
    looks_right(page)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_a_feed_is_paused_resumed_and_removed_and_a_brand_forgotten(
    page: Page, shown: RunningStack, brand: dict[str, Any]
) -> None:
    opened(page, f"/app/feeds?brand={brand['id']}&about=brand")
    row = page.get_by_role("row", name=re.compile("^Pushed shop"))
    row.get_by_role("button", name="Pause").click()
    expect(row.get_by_text("Paused", exact=True)).to_be_visible()
    expect(page.get_by_label("Feeds", exact=True).first).to_contain_text("1 paused")
    row.get_by_role("button", name="Resume").press("Enter")
    expect(row.get_by_role("button", name="Pause")).to_be_focused()
    row.get_by_role("button", name="Remove").click()
    dialog = page.get_by_role("dialog", name=re.compile("Listen to Pushed shop no more"))
    dialog.get_by_role("button", name="Cancel").click()
    expect(row).to_be_visible()
    row.get_by_role("button", name="Remove").click()
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Penhallow has no feed yet")).to_be_visible()
    page.get_by_role("button", name="Forget Penhallow").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget Penhallow").click()
    expect(page.get_by_role("row", name=re.compile("^Penhallow"))).to_have_count(0)
    assert shown.client.get("/brands", params={"name": "Penhallow"}).json()["brands"] == []
    assert silent(page)


def test_a_feed_that_needs_somebody_comes_first_and_says_what_to_do(
    page: Page, shown: RunningStack, brand: dict[str, Any], site: RssCase
) -> None:
    told = {"brand_id": brand["id"], "source": f"rss:{site.server.url}/gone.xml"}
    assert shown.client.post("/feeds", json=told).status_code == 201
    opened(page)
    row = page.get_by_role("row").nth(1)
    expect(row.get_by_text("Needs you")).to_be_visible(timeout=60_000)  # it arrives by itself
    expect(row).to_contain_text("answers 404 Not Found: open the address in a browser")
    row.locator("summary").click()
    expect(row.get_by_text("still open")).to_be_visible()
    expect(page.get_by_label("Need somebody")).to_contain_text(re.compile("1|2"))
    looks_right(page)


def test_a_viewer_sees_how_feeds_do_and_changes_nothing(
    new_page: NewPage, shown: RunningStack, brand: dict[str, Any]
) -> None:
    made = shown.client.post("/keys", json={"name": "feed reader", "role": "viewer"}).json()
    page = opened(new_page(key=made["key"]), "/app/feeds?add=1")
    expect(page.get_by_role("row", name=re.compile("^Pushed shop"))).to_be_visible()
    assert page.get_by_role("main").get_by_role("button").count() == 0
    looks_right(page)
    shown.client.delete(f"/keys/{made['id']}")
