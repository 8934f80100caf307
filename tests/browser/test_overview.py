"""The first page that anybody sees."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looks import looks_right

pytestmark = pytest.mark.slow


def test_the_demo_is_alive_and_says_that_it_is_a_demo(page: Page) -> None:
    expect(page.get_by_role("heading", name="Tazzamo", exact=True)).to_be_visible()
    expect(page.get_by_text("is invented")).to_be_visible()
    looks_right(page)


def test_arrow_keys_go_through_the_chart_and_its_numbers_are_told(page: Page) -> None:
    chart = page.get_by_role("group", name="Sentiment of Tazzamo over time")
    chart.focus()
    readout = page.locator("#sentiment [data-readout]")
    last = readout.inner_text()
    page.keyboard.press("ArrowLeft")
    assert readout.inner_text() != last
    expect(readout).to_contain_text("Negative")
    expect(readout).to_contain_text("posts")
