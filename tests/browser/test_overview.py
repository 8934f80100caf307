"""The first page that anybody sees."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage
from tests.browser.looks import looks_right, silent, stayed_in_place, watch_shifts
from tests.stack import RunningStack

pytestmark = pytest.mark.slow

STATIC = re.compile(r"/static/[0-9a-f]{12}/")


@contextmanager
def pushed(stack: RunningStack, name: str, count: int) -> Iterator[None]:
    """New posts on a brand, as its own systems would send them; erased in the end."""
    (brand,) = stack.client.get("/brands", params={"name": name}).json()["brands"]
    feed = stack.client.post("/feeds", json={"brand_id": brand["id"], "source": "webhook:test-shop"}).json()
    now = datetime.now(UTC).isoformat()
    posts = [
        {"external_id": f"{now} {n}", "text": f"This is dreadful, {n} times", "posted_at": now} for n in range(count)
    ]
    stack.push(feed, posts)
    yield
    for post in stack.client.get("/posts", params={"source": "webhook"}).json()["posts"]:
        stack.client.delete(f"/posts/{post['id']}")
    stack.client.delete(f"/feeds/{feed['id']}")


def test_the_demo_is_alive_says_that_it_is_one_and_looks_right(page: Page) -> None:
    expect(page.get_by_role("heading", name="Tazzamo", exact=True)).to_be_visible()
    expect(page.get_by_text("is invented")).to_be_visible()
    expect(page.get_by_label("Negative").get_by_text(re.compile(r"\d+\s%"))).to_be_visible()
    expect(page.get_by_text("Not audited", exact=True)).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("Norrbean"))).to_contain_text(re.compile(r"\d+\s%"))
    expect(page.get_by_text("within the same sources people speak otherwise")).to_be_visible()
    looks_right(page)


def test_filters_are_in_the_address_and_can_be_passed_on(page: Page, new_page: NewPage, shown: RunningStack) -> None:
    page.get_by_role("link", name="30 days").click()
    page.get_by_label("Source").select_option(label="Reddit (demo)")
    page.wait_for_url("**period=30**source=demo-reddit**")
    page.get_by_label("Brand").select_option(label="Norrbean (demo)")
    page.wait_for_url(lambda url: "brand=" in url and "source=demo-reddit" in url and "period=30" in url)
    address = page.url
    other = new_page(key=shown.key)
    other.goto(address)
    expect(other.get_by_role("heading", name="Norrbean", exact=True)).to_be_visible()
    expect(other.get_by_text("on Reddit (demo) alone")).to_be_visible()
    assert silent(other)


def test_few_posts_are_told_no_share(page: Page) -> None:
    page.goto("/?period=1&source=demo-reviews")
    expect(page.get_by_text("Nothing was heard in this time").or_(page.get_by_text("too few").first)).to_be_visible()
    looks_right(page)


def test_arrow_keys_go_through_the_chart_and_enter_opens_the_posts_behind_a_point(page: Page) -> None:
    page.get_by_role("group", name=re.compile("Sentiment of Tazzamo over time")).focus()
    readout = page.locator("#sentiment [data-readout]")
    last = readout.inner_text()
    page.keyboard.press("ArrowLeft")
    assert readout.inner_text() != last
    expect(readout).to_contain_text("Negative")
    expect(readout).to_contain_text("posts")
    page.keyboard.press("Home")
    first = readout.get_by_role("link").get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "since=" in url and "until=" in url)
    assert first is not None
    assert page.url.endswith(first)


def test_the_mouse_shows_a_points_numbers_and_a_click_opens_its_posts(page: Page) -> None:
    plot = page.locator("#sentiment [data-plot]")
    readout = page.locator("#sentiment [data-readout]")
    last = readout.inner_text()
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 120, box["y"] + 90)
    expect(readout).not_to_have_text(last)
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url(lambda url: "since=" in url)


def test_what_a_chart_shows_can_be_read_as_a_table(page: Page) -> None:
    page.goto("/?period=30")
    page.get_by_text("Numbers as a table").click()
    table = page.get_by_role("region", name=re.compile("numbers"))
    expect(table.get_by_role("columnheader", name="Negative")).to_be_visible()
    assert table.get_by_role("row").count() > 30
    expect(table.get_by_text("part of the demo").first).to_be_visible()  # its gap


def assert_new_posts_arrive(page: Page, stack: RunningStack, brand: str) -> None:
    figure = page.get_by_label("Posts", exact=True).locator(".value")
    before = int(re.sub(r"\D", "", figure.inner_text()))
    with pushed(stack, brand, 7):
        expect(figure).to_have_text(re.compile(rf"^\D*{before + 7}\D*$"), timeout=60_000)


def test_new_posts_arrive_by_themselves_and_move_nothing(new_page: NewPage, shown: RunningStack) -> None:
    page = new_page(key=shown.key)
    watch_shifts(page)
    page.reload()
    assert_new_posts_arrive(page, shown, "Tazzamo")
    assert stayed_in_place(page)
    assert silent(page)


def test_new_posts_arrive_where_no_events_come(page: Page, shown: RunningStack) -> None:
    page.route("**/app/events?*", lambda route: route.abort())
    page.get_by_label("Brand").select_option(label="Norrbean (demo)")
    page.wait_for_url("**brand=**")
    assert_new_posts_arrive(page, shown, "Norrbean")


def test_a_page_costs_at_most_200_kb_of_files_which_are_asked_for_once(page: Page) -> None:
    page.reload()
    sizes = page.evaluate(
        """performance.getEntriesByType('resource').filter((one) => one.name.includes('/static/'))
        .map((one) => [one.name, one.decodedBodySize, one.transferSize])"""
    )
    assert 0 < sum(size for _, size, _ in sizes) < 200_000
    assert all(STATIC.search(name) for name, _, _ in sizes)
    assert sum(sent for _, _, sent in sizes) == 0  # from the browser's own store


def test_a_viewer_sees_the_same(new_page: NewPage, shown: RunningStack) -> None:
    made = shown.client.post("/keys", json={"name": "onlooker", "role": "viewer"}).json()
    page = new_page(key=made["key"])
    expect(page.get_by_role("heading", name="Tazzamo", exact=True)).to_be_visible()
    shown.client.delete(f"/keys/{made['id']}")
