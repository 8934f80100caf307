"""The page on which somebody is told what is wrong, says that they saw it, and decides what is watched."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from overheard.store.database import Database
from tests import incidents
from tests.browser.conftest import NewPage
from tests.browser.looks import looks_right, silent
from tests.mailbox import Hook
from tests.stack import RunningStack, eventually

pytestmark = pytest.mark.slow

CRISIS = "Tazzamo: 41 % of posts are negative"
PAST = "Tazzamo: 212 posts, twice as many as usual"


@pytest.fixture
def found(shown: RunningStack) -> Iterator[None]:
    """An alert that is open, with examples, and one that is over."""
    database = Database(f"sqlite:///{shown.home / 'overheard.db'}")
    now = datetime.now(UTC)
    (brand,) = shown.client.get("/brands", params={"name": "Tazzamo"}).json()["brands"]
    posts = shown.client.get("/posts", params={"brand_id": brand["id"], "limit": 2}).json()["posts"]
    with database.write() as session:
        rule_id = incidents.add_rule(session, "Mood", now)
        ids = tuple(post["id"] for post in posts)
        incidents.open_incident(session, rule_id, brand["id"], now, title=CRISIS, since=now, post_ids=ids, key="open")
        over = incidents.open_incident(session, rule_id, brand["id"], now, title=PAST, since=now, key="over")
        incidents.resolve(session, over.id, now)
    yield
    shown.client.delete(f"/rules/{rule_id}")
    database.engine.dispose()


@pytest.fixture
def history(shown: RunningStack) -> Iterator[dict[str, Any]]:
    """A brand with seven even weeks, and a day in the sixth on which ten times as much was said."""
    made = shown.client.post("/brands", json={"name": "Zephyrine", "sources": ["webhook:history"]}).json()
    (feed,) = made["feeds"]
    begin = datetime.now(UTC) - timedelta(days=49)
    times = [begin + timedelta(hours=2 * number) for number in range(49 * 12)]
    times += [begin + timedelta(days=42, minutes=4 * number) for number in range(300)]
    posts = [
        {"external_id": str(n), "text": f"The Zephyrine number {n} is fine", "posted_at": at.isoformat()}
        for n, at in enumerate(times)
    ]
    shown.push(feed, posts)
    since = begin.isoformat()

    def counted() -> bool:
        told = shown.client.get(f"/brands/{made['id']}/sentiment", params={"since": since}).json()["points"]
        return sum(point["scored"] for point in told) == len(posts)

    eventually(counted, 90)
    yield made
    shown.client.delete(f"/brands/{made['id']}")


@pytest.fixture
def hook(shown: RunningStack) -> Iterator[Hook]:
    """Somebody's program that is told of everything, and answers that it does not want to."""
    with Hook() as hook:
        hook.status = 403
        made = shown.client.post("/recipients", json={"name": "our program", "url": hook.url()})
        assert made.status_code == 201, made.text
        yield hook
        shown.client.delete(f"/recipients/{made.json()['id']}")


def opened(page: Page, address: str = "/app/alerts") -> Page:
    page.goto(address)
    return page


def rule_row(page: Page, name: str) -> Any:
    return page.get_by_role("row", name=re.compile(f"^{name}"))


def test_an_alert_is_acknowledged_and_snoozed(page: Page, found: None) -> None:
    alert = opened(page).get_by_role("article", name=CRISIS)
    expect(alert.get_by_text("What to do:")).to_be_visible()
    expect(alert.get_by_role("listitem").filter(has_text="battery")).to_be_visible()
    expect(alert.locator("blockquote")).to_have_count(2)
    looks_right(page)
    alert.get_by_role("button", name="Acknowledge").click()
    expect(alert.get_by_text("Acknowledged by admin")).to_be_visible()
    expect(alert.get_by_role("button", name="Acknowledge")).to_have_count(0)
    alert.get_by_role("button", name="a week").press("Enter")
    expect(alert.get_by_text("nobody is told before")).to_be_visible()
    expect(alert.get_by_role("button", name="a week")).to_be_focused()
    page.reload()
    expect(alert.get_by_text("Acknowledged", exact=True)).to_be_visible()
    expect(alert.get_by_text("Snoozed", exact=True)).to_be_visible()
    alert.get_by_role("link", name="Read the posts").click()
    page.wait_for_url(re.compile(r"sentiment=negative.*since="))
    assert silent(page)


def test_past_alerts_say_what_they_were(page: Page, found: None) -> None:
    row = opened(page).get_by_role("row", name=re.compile("212 posts"))
    row.locator("summary").click()
    expect(row.get_by_text("38 to 45 % negative")).to_be_visible()
    expect(row.get_by_role("link", name=re.compile("^Posts"))).to_be_visible()


def test_a_rule_is_rehearsed_on_what_was_and_then_enabled(
    page: Page, history: dict[str, Any], shown: RunningStack
) -> None:
    opened(page).get_by_role("link", name="Add a rule").click()
    page.get_by_label("What to watch for").select_option(label="Many more posts")
    page.get_by_label("Name").fill("Zephyrine is everywhere")
    page.get_by_role("region", name="Add a rule").get_by_label("Brand", exact=True).select_option(label="Zephyrine")
    enable = page.get_by_role("button", name="Add and enable")
    expect(enable).to_be_disabled()
    page.get_by_role("button", name="Rehearse", exact=True).click()
    expect(page.get_by_text(re.compile("It would have fired 1 time in 90 days of Zephyrine"))).to_be_visible()
    page.get_by_text("Numbers as a table").click()
    expect(page.get_by_role("cell", name=re.compile(r"^Zephyrine: .* posts in the last"))).to_be_visible()
    looks_right(page)
    expect(enable).to_be_enabled()
    page.get_by_label("Sensitivity").select_option("low")
    expect(enable).to_be_disabled()  # that was another rule
    page.get_by_role("button", name="Rehearse", exact=True).click()
    expect(enable).to_be_enabled()
    page.get_by_label("from").fill("22:00")
    page.get_by_label("to", exact=True).fill("07:00")
    enable.click()
    row = rule_row(page, "Zephyrine is everywhere")
    expect(row).to_contain_text("Zephyrine, low sensitivity, quiet 22:00 to 07:00")
    (rule,) = [one for one in shown.client.get("/rules").json() if one["name"] == "Zephyrine is everywhere"]
    assert rule["is_enabled"]
    assert rule["quiet"] == {"from": "22:00", "until": "07:00", "tz": "Europe/Berlin"}
    assert silent(page)


def test_a_rule_is_changed_disabled_and_deleted(page: Page, shown: RunningStack) -> None:
    made = shown.client.post("/rules", json={"name": "Mine", "kind": "worker", "options": {"calm_s": 60}}).json()
    row = rule_row(opened(page), "Mine")
    row.get_by_role("link", name="Change").click()
    expect(page.get_by_text("no history is kept")).to_be_visible()
    page.get_by_label("Minutes between alerts").fill("30")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(re.compile("#rules$"))
    changed = shown.client.get(f"/rules/{made['id']}").json()
    assert (changed["cooldown_s"], changed["options"]["calm_s"]) == (1800, 60)
    row.get_by_role("button", name="Disable").click()
    expect(row.get_by_text("Off")).to_be_visible()
    row.get_by_role("button", name="Enable").click()
    expect(row.get_by_role("button", name="Disable")).to_be_focused()
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(row).to_be_visible()
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    assert silent(page)


def test_a_rule_that_can_not_be_says_why(page: Page, shown: RunningStack) -> None:
    opened(page, "/app/alerts?rule=new")
    page.get_by_label("What to watch for").select_option(label="A stuck queue")
    page.get_by_label("Name").fill("Worker missing")
    page.get_by_role("button", name="Add and enable").click()
    expect(page.get_by_role("alert")).to_contain_text("another rule is called")


def test_what_is_unknown_is_not_called_calm(page: Page, shown: RunningStack) -> None:
    """A brand of which nothing was ever heard: no rule can say that it is calm."""
    made = shown.client.post("/brands", json={"name": "Unheard"}).json()

    def is_seen() -> bool:
        told = {rule["name"]: rule for rule in shown.client.get("/rules").json()}
        return made["id"] in told["More negative posts"]["unknown_brands"]

    eventually(is_seen, 150)
    expect(rule_row(opened(page), "More negative posts").get_by_text("Unknown", exact=True)).to_be_visible()
    expect(page.get_by_text("Unknown is not calm.")).to_be_visible()
    shown.client.delete(f"/brands/{made['id']}")


def test_recipients_are_masked_and_tested(page: Page, hook: Hook) -> None:
    row = opened(page).get_by_role("row", name=re.compile("our program"))
    expect(row).to_contain_text(f"127.0.0.1:{hook.port}")
    assert "hush" not in page.content()  # the end of its address
    row.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text(re.compile("The test did not reach our program: .*403"))).to_be_visible(timeout=60_000)
    expect(row.get_by_text("Not delivered")).to_be_visible()
    hook.status = 200
    row.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("The test reached our program.")).to_be_visible(timeout=60_000)
    expect(row.get_by_text("Not delivered")).to_have_count(0)


def test_somebody_is_named_to_be_told_changed_and_told_no_more(page: Page, shown: RunningStack) -> None:
    people = opened(page).get_by_role("region", name="Who is told")
    expect(people).to_contain_text("Nobody is told yet")
    people.get_by_role("button", name="Tell somebody").click()
    asked = page.get_by_role("dialog", name="Tell somebody")
    asked.get_by_label("Who", exact=True).fill("brand team")
    asked.get_by_label("Told by").select_option(label="A program of your own")
    expect(asked).to_contain_text("What begins with + is a header")
    looks_right(page)
    asked.get_by_label("Address").fill("jsons://10.0.0.7/hush")
    asked.get_by_role("button", name="Add").click()
    expect(asked.get_by_role("alert")).to_contain_text("10.0.0.7")
    asked.get_by_label("Address").fill("jsons://127.0.0.1:9/hush")
    asked.get_by_label("About").select_option(label="Tazzamo")
    asked.get_by_label("The weekly digest").uncheck()
    asked.get_by_role("button", name="Add").click()
    row = people.get_by_role("row", name=re.compile("^brand team"))
    expect(row).to_contain_text("Tazzamo: alerts")
    assert "hush" not in page.content()

    row.get_by_role("button", name="Change").click()
    asked = page.get_by_role("dialog", name="Change who is told")
    expect(asked.get_by_label("Who", exact=True)).to_have_value("brand team")
    asked.get_by_label("About").select_option(label="Everything")
    asked.get_by_label("The weekly digest").check()
    asked.get_by_role("button", name="Save").press("Enter")
    expect(row).to_contain_text("alerts and digests")
    expect(row).not_to_contain_text("Tazzamo")
    expect(row.get_by_role("button", name="Change")).to_be_focused()
    (told,) = shown.client.get("/recipients").json()["recipients"]
    assert (told["brand_id"], told["shown"]) == (None, "jsons://127.0.0.1:9/****")

    row.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(people).to_contain_text("Nobody is told yet")
    assert shown.client.get("/recipients").json()["recipients"] == []


def test_a_viewer_reads_and_changes_nothing(new_page: NewPage, shown: RunningStack, found: None) -> None:
    made = shown.client.post("/keys", json={"name": "reader", "role": "viewer"}).json()
    page = opened(new_page(key=made["key"]), "/app/alerts?rule=new")
    expect(page.get_by_role("article", name=CRISIS)).to_be_visible()
    assert page.get_by_role("main").get_by_role("button").count() == 0
    expect(page.get_by_role("heading", name="Who is told")).to_have_count(0)
    looks_right(page)
    shown.client.delete(f"/keys/{made['id']}")
