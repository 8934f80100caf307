"""The page on which an admin says who may come in."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage, sign_in
from tests.browser.looks import looks_right, silent
from tests.stack import RunningStack

pytestmark = pytest.mark.slow


def row(page: Page, name: str) -> Any:
    return page.get_by_role("row", name=re.compile(f"^{name}"))


def shown_key(page: Page, name: str) -> str:
    """What the dialog shows once."""
    told = page.get_by_role("dialog", name=f"The key of {name}")
    key = told.get_by_role("definition").inner_text()
    told.get_by_role("button", name="Close").click()
    return key


def test_a_key_is_made_rotated_and_revoked(page: Page, new_page: NewPage, shown: RunningStack) -> None:
    page.goto("/")
    page.get_by_role("navigation").get_by_role("link", name="Keys").click()
    page.wait_for_url(re.compile("/app/keys"))
    page.get_by_role("button", name="Make a key").click()
    asked = page.get_by_role("dialog", name="Make a key")
    asked.get_by_label("Whose it is").fill("Ann")
    asked.get_by_label("Role").select_option(label="Labeller: say what posts feel")
    asked.get_by_role("button", name="Make it").click()
    first = shown_key(page, "Ann")
    ann = row(page, "Ann")
    expect(ann).to_contain_text("Labeller")
    expect(ann).to_contain_text("never")
    assert first not in page.content()
    looks_right(page)

    hers = new_page(key=first)
    expect(hers.locator(".role")).to_have_text("labeller")
    expect(hers.get_by_role("link", name="Keys")).to_have_count(0)
    assert hers.goto("/app/keys").status == 403

    ann.get_by_role("button", name="Rotate").click()
    asked = page.get_by_role("dialog", name="Rotate a key?")
    expect(asked).to_contain_text("Ann gets another key")
    asked.get_by_label("The old one opens for").select_option(label="no longer: it has leaked")
    asked.get_by_role("button", name="Rotate it").press("Enter")
    second = shown_key(page, "Ann")
    expect(ann.get_by_role("button", name="Rotate")).to_be_focused()
    assert second != first
    hers.goto("/")
    expect(hers.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(hers, second)

    ann.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(ann).to_have_count(0)
    hers.reload()
    expect(hers.get_by_role("heading", name="Sign in")).to_be_visible()
    assert silent(page)


def test_nobody_can_lock_themselves_out(new_page: NewPage, shown: RunningStack) -> None:
    made = shown.client.post("/keys", json={"name": "Bob", "role": "admin"}).json()
    page = new_page(key=made["key"])
    page.goto("/app/keys")
    bob = row(page, "Bob")
    expect(bob).to_contain_text("yours")
    expect(bob.get_by_role("button", name="Rotate")).to_be_visible()
    expect(bob.get_by_role("button", name="Revoke")).to_have_count(0)
    shown.client.delete(f"/keys/{made['id']}")
