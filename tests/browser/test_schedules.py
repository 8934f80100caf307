"""The page on which the timetable is read, paused, changed and hurried."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage
from tests.browser.looks import looks_right, silent
from tests.stack import RunningStack, eventually

pytestmark = pytest.mark.slow

NAME = "purge-old-jobs"
TITLE = "Purge old jobs"


@pytest.fixture(autouse=True)
def as_it_came(shown: RunningStack) -> Iterator[None]:
    """Beat has begun, and what a test changes is put back."""
    eventually(lambda: all(entry["next_run_at"] for entry in shown.client.get("/schedules").json()), 60)
    yield
    shown.client.patch(f"/schedules/{NAME}", json={"is_paused": False, "cron": None})


def entry(page: Page, address: str = "/app/schedules") -> Any:
    page.goto(address)
    return page.get_by_role("row", name=re.compile(f"^{TITLE}"))


def told(stack: RunningStack) -> dict[str, Any]:
    return dict(stack.client.get(f"/schedules/{NAME}").json())


def test_the_timetable_says_what_happens_and_when_in_words(page: Page) -> None:
    row = entry(page)
    expect(row).to_contain_text("Deletes jobs that ended long ago")
    expect(row).to_contain_text("Every day at 03:17 UTC")
    often = page.get_by_role("row", name=re.compile("^Aggregate"))
    expect(often).to_contain_text("Every 3 seconds")
    retrain = page.get_by_role("row", name=re.compile("^Weekly retrain"))
    expect(retrain).to_contain_text("Sundays at 02:07 UTC")
    looks_right(page)


def test_an_entry_is_paused_and_resumed(page: Page, shown: RunningStack) -> None:
    row = entry(page)
    row.get_by_role("button", name="Pause").press("Enter")
    expect(row.get_by_text("Paused", exact=True)).to_be_visible()
    expect(row.get_by_role("button", name="Resume")).to_be_focused()
    assert told(shown)["is_paused"]
    row.get_by_role("button", name="Resume").click()
    expect(row.get_by_text("Paused", exact=True)).to_have_count(0)
    assert told(shown)["next_run_at"]
    assert silent(page)


def test_a_change_says_when_it_would_run_and_can_be_taken_back(page: Page, shown: RunningStack) -> None:
    row = entry(page)
    row.get_by_role("link", name="Change").click()
    cron = page.get_by_label("Cron, in UTC")
    cron.fill("30 1 * *")
    expect(page.get_by_role("alert")).to_contain_text("this one has 4")
    cron.fill("30 1 * * sat")
    expect(page.get_by_text("Saturdays at 01:30 UTC. Next:")).to_be_visible()
    expect(page.get_by_text("Saturdays at 01:30 UTC. Next:").locator("time")).to_have_count(5)
    looks_right(page)
    page.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("Saturdays at 01:30 UTC")
    expect(row).to_contain_text("changed by admin")
    assert told(shown)["cron"] == "30 1 * * sat"
    row.get_by_role("link", name="Change").click()
    page.get_by_role("button", name="As it came").click()
    expect(row).to_contain_text("Every day at 03:17 UTC")
    assert silent(page)


def test_a_cron_that_means_nothing_is_refused_with_a_reason(page: Page, shown: RunningStack) -> None:
    entry(page, f"/app/schedules?change={NAME}")
    page.get_by_label("Cron, in UTC").fill("7 25 * * *")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("25 > 23")
    assert told(shown)["cron"] == "17 3 * * *"


def test_an_entry_is_run_now_and_its_outcome_arrives_by_itself(page: Page, shown: RunningStack) -> None:
    row = entry(page)
    row.get_by_role("button", name="Run now").click()
    expect(page.get_by_text(f"{TITLE}: asked for")).to_be_visible()
    page.locator("h1").click()  # what holds the focus is left alone
    expect(row.get_by_text("Done", exact=True)).to_be_visible(timeout=30_000)
    row.locator("summary").click()
    expect(row.get_by_text("by hand: 0 jobs, 0 old runs").first).to_be_visible()
    assert told(shown)["runs"][0]["asked_by"] == "admin"
    assert silent(page)


def test_what_can_not_run_says_why(page: Page) -> None:
    entry(page)
    page.get_by_role("button", name="Run now Weekly retrain").click()
    expect(page.get_by_role("status")).to_contain_text("no training worker is running")


def test_a_viewer_reads_the_timetable_and_changes_nothing(new_page: NewPage, shown: RunningStack) -> None:
    made = shown.client.post("/keys", json={"name": "clock watcher", "role": "viewer"}).json()
    page = new_page(key=made["key"])
    expect(entry(page, f"/app/schedules?change={NAME}")).to_be_visible()
    assert page.get_by_role("main").get_by_role("button").count() == 0
    looks_right(page)
    shown.client.delete(f"/keys/{made['id']}")
