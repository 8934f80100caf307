"""A stack with the demo, as `make run` starts it, and a browser that looks at it."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.looks import Watched
from tests.stack import RunningStack, eventually

NewPage = Callable[..., Page]
Said = Callable[[], list[dict[str, Any]]]
expect.set_options(timeout=15_000)  # a stack and a browser share two cores


@pytest.fixture(scope="package")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The demo's posts are scored and counted. Tests leave it as they found it. It is gone before others measure."""
    home = tmp_path_factory.mktemp("shown") / "home"
    with RunningStack(home, demo=True, notify_hosts="127.0.0.1", watch_every_s=3, max_streams=48) as stack:
        eventually(lambda: is_counted(stack), 120)
        yield stack


def is_counted(stack: RunningStack) -> bool:
    brands = stack.client.get("/brands").json()["brands"]
    points = [p for b in brands for p in stack.client.get(f"/brands/{b['id']}/sentiment").json()["points"]]
    return sum(point["posts"] for point in points) == sum(point["scored"] for point in points) > 300


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser: Browser, shown: RunningStack) -> Iterator[NewPage]:
    """A page in a context of its own, in Berlin unless said otherwise. key: signs in with it; None: does not."""
    contexts: list[BrowserContext] = []

    def make(key: str | None = shown.key, **options: Any) -> Page:
        told = {"base_url": shown.url, "timezone_id": "Europe/Berlin", "viewport": {"width": 1280, "height": 900}}
        contexts.append(browser.new_context(**told, **options))
        page = Watched.new(contexts[-1])
        if key:
            sign_in(page, key)
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(scope="package")
def admins_cookies(browser: Browser, shown: RunningStack) -> Any:
    context = browser.new_context(base_url=shown.url, timezone_id="Europe/Berlin")
    sign_in(context.new_page(), shown.key)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def page(new_page: NewPage, admins_cookies: Any) -> Page:
    """An admin's, at the overview."""
    page = new_page(key=None, storage_state=admins_cookies)
    page.goto("/")
    return page


@pytest.fixture
def labels(shown: RunningStack) -> Iterator[Said]:
    """What people have said so far, the newest first; forgotten in the end."""

    def said() -> list[dict[str, Any]]:
        return list(shown.client.get("/labels", params={"limit": 200}).json()["labels"])

    yield said
    for one in said():
        shown.client.delete(f"/labels/{one['id']}")


def sign_in(page: Page, key: str) -> None:
    page.goto("/sign-in")
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
