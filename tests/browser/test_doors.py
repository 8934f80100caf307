"""Who gets in, what a session may do, and what ends it."""

import re

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage, sign_in
from tests.browser.looks import looks_right, silent
from tests.stack import RunningStack

pytestmark = pytest.mark.slow


def test_whoever_is_not_signed_in_is_led_to_the_door_and_then_to_where_they_were_going(
    shown: RunningStack, new_page: NewPage
) -> None:
    page = new_page(key=None)
    page.goto("/?period=7")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    looks_right(page)
    page.get_by_label("Key").fill(shown.key)
    page.keyboard.press("Enter")
    page.wait_for_url("**/?period=7")
    assert silent(page)


def test_a_wrong_key_is_refused_with_a_word_and_opens_nothing(new_page: NewPage) -> None:
    page = new_page(key=None)
    page.goto("/sign-in")
    page.get_by_label("Key").fill("not-a-key-of-ours")
    with page.expect_response("**/sign-in") as answer:
        page.keyboard.press("Enter")
    assert answer.value.status == 401
    expect(page.get_by_role("alert")).to_contain_text("unknown or revoked")
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("elsewhere", ["https://example.org/", "//example.org/", "/\\example.org/"])
def test_the_door_leads_to_no_other_site(new_page: NewPage, shown: RunningStack, elsewhere: str) -> None:
    page = new_page(key=None)
    page.goto(f"/sign-in?next={elsewhere}")
    page.get_by_label("Key").fill(shown.key)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{shown.url}/")


def test_scripts_can_not_read_the_session_and_others_pages_can_not_use_it(page: Page) -> None:
    (cookie,) = [one for one in page.context.cookies() if one["name"].startswith("overheard")]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    assert "overheard" not in page.evaluate("document.cookie")


def test_a_page_runs_no_script_that_is_written_into_it(page: Page) -> None:
    policy = page.reload().headers["content-security-policy"]
    assert "unsafe" not in policy
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x: onerror=\"window.ran = 1\">')")
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None


def test_the_session_opens_the_api_but_changes_nothing_without_the_pages_token(page: Page) -> None:
    asked = """async (headers) => (await fetch('/brands', {
        method: 'POST', headers: {'Content-Type': 'application/json', ...headers}, body: '{"name": "Tazzamo"}',
    })).status"""
    assert page.evaluate("async () => (await fetch('/brands')).status") == 200
    assert page.evaluate(asked, {}) == 403
    assert page.evaluate(asked, {"X-CSRFToken": "made-up"}) == 403
    token = page.locator("meta[name=csrf-token]").get_attribute("content")
    assert page.evaluate(asked, {"X-CSRFToken": token}) == 409  # it is there, described otherwise


def test_a_form_without_the_token_is_refused(page: Page, shown: RunningStack) -> None:
    cookies = {one["name"]: one["value"] for one in page.context.cookies()}
    with httpx2.Client(base_url=shown.url, cookies=cookies, trust_env=False) as client:
        assert client.post("/sign-out").status_code == 403
        assert client.post("/sign-in", data={"key": shown.key}).status_code == 403
        assert client.get("/").status_code == 200


def test_a_revoked_key_ends_its_session(new_page: NewPage, shown: RunningStack) -> None:
    made = shown.client.post("/keys", json={"name": "short-lived", "role": "viewer"}).json()
    page = new_page(key=made["key"])
    expect(page.get_by_text("viewer", exact=True)).to_be_visible()
    shown.client.delete(f"/keys/{made['id']}")
    assert page.evaluate("async () => (await fetch('/brands')).status") == 401
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_signing_out_ends_the_session(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_problem_is_a_page_with_a_way_on(page: Page) -> None:
    page.goto("/?brand=99999")
    expect(page.get_by_role("heading", name="Not Found")).to_be_visible()
    page.get_by_role("link", name="To the overview").click()
    expect(page).to_have_url(re.compile(r"/$"))


def test_signing_in_twice_is_harmless(page: Page, shown: RunningStack) -> None:
    sign_in(page, shown.key)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
