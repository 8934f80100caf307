"""The page on which somebody reads one post after the other, and says what each feels."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from overheard import demo
from tests.browser.conftest import NewPage, Said
from tests.browser.looks import looks_right, silent, stayed_in_place, watch_shifts
from tests.stack import RunningStack, eventually

pytestmark = pytest.mark.slow

NAMES = ("negative", "neutral", "positive")
POSTS = 40
AUDITS = 6


@pytest.fixture
def brand(shown: RunningStack) -> Iterator[dict[str, Any]]:
    """A brand with posts that have scores, a few of which were drawn for an audit."""
    made = shown.client.post("/brands", json={"name": "Umberto", "sources": ["webhook:shop"]}).json()
    told = [post.text for post in demo.posts() if (post.brand, post.lang) == ("Tazzamo", "en")][:POSTS]
    since = datetime.now(UTC) - timedelta(days=3)
    posts = [
        {
            "external_id": str(number),
            "text": re.sub("tazzamo", "Umberto", text, flags=re.IGNORECASE),
            "posted_at": (since + timedelta(hours=number)).isoformat(),
            "language": "en",
        }
        for number, text in enumerate(told)
    ]
    shown.push(made["feeds"][0], posts)
    asked = {"brand_id": made["id"], "limit": POSTS}
    eventually(lambda: all(post["score"] for post in shown.client.get("/posts", params=asked).json()["posts"]), 60)
    assert shown.client.post(f"/brands/{made['id']}/audits", json={"count": AUDITS}).status_code == 201
    yield made
    shown.client.delete(f"/brands/{made['id']}")


def opened(page: Page, brand: dict[str, Any]) -> Page:
    """The first post is there."""
    page.goto(f"/app/label?brand={brand['id']}")
    asked(page)
    return page


def asked(page: Page) -> str:
    """What is asked, once a post is there: keys can be pressed faster than a busy server gives the next twenty."""
    expect(page.get_by_role("button", name="Positive")).to_be_enabled()
    return page.get_by_role("group", name="Text").inner_text()


def test_twenty_posts_are_labelled_by_the_keyboard_alone(
    page: Page, brand: dict[str, Any], labels: Said, shown: RunningStack
) -> None:
    watch_shifts(page)
    opened(page, brand)
    page.keyboard.press("s")
    expect(page.get_by_text("Skipped.")).to_be_visible()
    unclear = asked(page)
    page.keyboard.press("0")
    said = {}
    for number in range(20):
        text, key = asked(page), number % 3
        if number == 7:  # a slip
            page.keyboard.press("1")
            page.keyboard.press("u")
            expect(page.get_by_text("Undone. What is it?")).to_be_visible()
            assert asked(page) == text
        page.keyboard.press(str(key + 1))
        said[text] = NAMES[key]
    assert len(said) == 20
    expect(page.get_by_text("21 labelled now.")).to_be_visible()
    eventually(lambda: {one["text"]: one["label"] for one in labels()} == said, 10)
    assert len(labels()) == 20
    assert unclear not in said
    assert {one["brand"] for one in labels()} == {"Umberto"}
    assert stayed_in_place(page)

    (draw,) = shown.client.get(f"/brands/{brand['id']}/audits").json()["draws"]
    audited = [one for one in labels() if one["purpose"] == "audit"]
    assert draw["answered"] == len(audited) > 0
    page.reload()
    new = page.get_by_role("region", name="New labels")
    expect(new.locator(".value")).to_have_text(str(20 - len(audited)))
    expect(new).to_contain_text("One is enough for the next, due")
    assert asked(page) not in said
    looks_right(page)


def test_the_models_answer_is_told_after_ones_own(page: Page, brand: dict[str, Any], labels: Said) -> None:
    with page.expect_response("**/labels/queue?**") as answer:
        opened(page, brand)
    assert not re.search("score|negative|positive|0\\.\\d", str([{**one, "text": ""} for one in items(answer.value)]))
    main, last = page.get_by_role("main"), page.get_by_role("region", name="The last one")
    expect(main.get_by_role("img")).to_have_count(0)
    page.keyboard.press("2")
    expect(last).to_contain_text(re.compile(r"You said\s*Neutral"))
    expect(last).to_contain_text(re.compile(r"The model had said.* \d+.%"))
    expect(last.get_by_role("img", name=re.compile("^negative"))).to_be_visible()
    looks_right(page)
    page.keyboard.press("u")
    expect(last).to_contain_text("Undone. What is it?")
    expect(main.get_by_role("img")).to_have_count(0)
    eventually(lambda: labels() == [], 10)
    assert silent(page)


def items(answer: Any) -> list[dict[str, Any]]:
    return list(answer.json()["items"])


def test_nobody_can_tell_which_posts_were_drawn_for_an_audit(
    page: Page, brand: dict[str, Any], shown: RunningStack
) -> None:
    drawn = shown.client.get("/audits", params={"brand_id": brand["id"]}).json()["audits"]
    with page.expect_response("**/labels/queue?**") as answer:
        opened(page, brand)
    assert len({tuple(sorted((name, type(value)) for name, value in one.items())) for one in items(answer.value)}) == 1
    assert len({len(one["item"]) for one in items(answer.value)}) == 1
    page.keyboard.press("s")
    pages: dict[bool, set[str]] = {True: set(), False: set()}
    for _ in range(19):
        text = asked(page)
        looks = page.evaluate(
            """() => {
                const copy = document.documentElement.cloneNode(true)
                copy.querySelector('[data-text]').replaceChildren()
                return copy.outerHTML
            }"""
        )
        pages[text in {one["text"] for one in drawn}].add(looks)
        page.keyboard.press("s")
    assert len(pages[True]) == 1
    assert pages[True] == pages[False]


def test_thumbs_label_on_a_phone(new_page: NewPage, brand: dict[str, Any], shown: RunningStack, labels: Said) -> None:
    page = new_page(has_touch=True, is_mobile=True)
    page.set_viewport_size({"width": 360, "height": 740})
    opened(page, brand)
    said = {}
    for name in ("Negative", "Positive", "Neutral"):
        answer = page.get_by_role("button", name=name)
        expect(answer).to_be_in_viewport(ratio=1)
        box = answer.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        said[asked(page)] = name.lower()
        answer.tap()
    eventually(lambda: {one["text"]: one["label"] for one in labels()} == said, 10)
    for name in ("Can’t tell", "Skip", "Undo"):
        before = asked(page)
        expect(page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
        page.get_by_role("button", name=name).tap()
        assert asked(page) != before
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert silent(page)


def test_an_answer_outlives_a_server_that_is_away(page: Page, brand: dict[str, Any], labels: Said) -> None:
    opened(page, brand)
    page.route("**/labels/queue/*", lambda route: route.abort())
    text = asked(page)
    page.keyboard.press("1")
    expect(page.get_by_text("1 not saved yet; tried again until it is.")).to_be_visible()
    page.reload()
    page.unroute("**/labels/queue/*")
    eventually(lambda: [(one["text"], one["label"]) for one in labels()] == [(text, "negative")], 15)


def test_a_viewer_is_told_what_to_do_instead(new_page: NewPage, shown: RunningStack) -> None:
    made = shown.client.post("/keys", json={"name": "onlooker", "role": "viewer"}).json()
    page = new_page(key=made["key"])
    page.goto("/app/label")
    expect(page.get_by_text("Ask an admin for a key with the role labeller")).to_be_visible()
    looks_right(page)
    shown.client.delete(f"/keys/{made['id']}")
