"""The page on which somebody scores texts and files of their own."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import NewPage
from tests.browser.looks import looks_right, silent, stayed_in_place, watch_shifts
from tests.stack import RunningStack

pytestmark = pytest.mark.slow

NAMES = ("negative", "neutral", "positive")
TEXTS = ["I love it", "=1+1 is how often it worked, never again", "It came on Wednesday."]


def opened(page: Page) -> Page:
    page.goto("/app/try")
    return page


def drop(page: Page, name: str, content: str) -> None:
    """As somebody who drags a file from another window."""
    script = """([name, content]) => {
        const carried = new DataTransfer()
        carried.items.add(new File([content], name))
        return carried
    }"""
    carried = page.evaluate_handle(script, [name, content])
    place = page.get_by_text("Drop a CSV, JSONL or Parquet file here")
    place.dispatch_event("dragover", {"dataTransfer": carried})
    place.dispatch_event("drop", {"dataTransfer": carried})


def results(page: Page) -> Locator:
    return page.get_by_role("region", name="Scores", exact=True)


def shown_texts(page: Page) -> list[str]:
    return results(page).locator(".scored-text").all_text_contents()


def downloaded(page: Page, name: str, button: str = "Download as CSV") -> list[dict[str, str]]:
    with page.expect_download() as download:
        results(page).get_by_role("link", name=button).click()
    assert download.value.suggested_filename == name
    return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"), newline="")))


def scores(row: dict[str, Any]) -> list[float]:
    return [float(row[name]) for name in NAMES]


def inferred(stack: RunningStack) -> list[Any]:
    """What a program is answered about the texts."""
    return [pytest.approx(scores(one), abs=0.01) for one in stack.infer(TEXTS).json()]


def test_pasted_texts_are_scored_and_taken_along(page: Page, shown: RunningStack) -> None:
    watch_shifts(page)
    opened(page).get_by_label("One per line").fill("\n\n".join([*TEXTS, "-5"]))
    page.get_by_role("button", name="Score", exact=True).click()
    expect(results(page)).to_contain_text("4 texts")
    assert shown_texts(page) == [*TEXTS, "-5"]
    expect(results(page).get_by_role("row", name=re.compile("^I love it"))).to_contain_text("Positive")
    assert stayed_in_place(page)
    looks_right(page)
    rows = downloaded(page, "scores.csv")
    assert [row["text"] for row in rows] == [TEXTS[0], f"'{TEXTS[1]}", TEXTS[2], "-5"]
    assert [scores(row) for row in rows[:3]] == inferred(shown)


def test_nothing_is_no_text(page: Page) -> None:
    opened(page).get_by_role("button", name="Score", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="Write or paste a text first.")).to_be_visible()
    page.get_by_role("button", name="Fill in an example").click()
    page.get_by_role("button", name="Score", exact=True).click()
    expect(results(page)).to_contain_text("6 texts")
    assert silent(page)


def test_a_dropped_file_is_scored_and_its_rows_are_taken_along_in_order(page: Page, shown: RunningStack) -> None:
    watch_shifts(page)
    lines = [f'{number},"{text}"' for number, text in enumerate(TEXTS)]
    drop(opened(page), "comments.csv", "\n".join(["customer,text", *lines, "3,", "4,too,many", ""]))
    expect(results(page)).to_contain_text("4 rows of comments.csv", timeout=30_000)
    assert shown_texts(page) == [*TEXTS, ""]
    page.get_by_text("1 row could not be read and was left out").click()
    expect(page.get_by_role("region", name="Rows that could not be read")).to_contain_text("has 3 cells")
    assert stayed_in_place(page)
    looks_right(page)
    rows = downloaded(page, "comments.scored.csv")
    assert [(row["customer"], row["text"]) for row in rows] == [
        ("0", TEXTS[0]),
        ("1", f"'{TEXTS[1]}"),
        ("2", TEXTS[2]),
        ("3", ""),
    ]
    assert [scores(row) for row in rows[:3]] == inferred(shown)
    assert rows[3]["label"] == ""
    page.reload()  # the address knows the job
    expect(results(page)).to_contain_text("4 rows of comments.csv")
    assert silent(page)


def test_whoever_names_the_columns_otherwise_is_asked(page: Page) -> None:
    drop(opened(page), "survey.csv", "label,comment\ngood,I love it\n")
    expect(page.get_by_text("survey.csv has no column “text”.")).to_be_visible()
    expect(page.get_by_role("combobox", name="Column with the texts")).to_have_value("comment")
    looks_right(page)
    page.get_by_role("button", name="Score the file").click()
    expect(results(page)).to_contain_text("1 row of survey.csv", timeout=30_000)
    (row,) = downloaded(page, "survey.scored.csv")
    assert (row["label"], row["comment"], row["predicted_label"]) == ("good", "I love it", "positive")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "bad.csv is empty"),
        ("text\n", "bad.csv has no rows"),
        ('"text,customer\nI love it,1\n', "bad.csv: line 1 is not valid CSV"),
        ('text,customer\n"I love it,1\n', "bad.csv has no row that can be used; line 2 is not valid CSV"),
        ("text,text\na,b\n", "bad.csv has two columns named 'text': rename one"),
    ],
)
def test_a_malformed_file_is_refused_with_a_reason(page: Page, content: str, words: str) -> None:
    drop(opened(page), "bad.csv", content)
    expect(page.get_by_role("alert").filter(has_text=words)).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(results(page)).to_have_count(0)


@pytest.mark.parametrize(
    "fail", [lambda route: route.abort(), lambda route: route.fulfill(status=503)], ids=["cut off", "refused"]
)
def test_a_file_is_watched_where_no_events_come(page: Page, fail: Callable[[Route], None]) -> None:
    page.route("**/events", fail)
    drop(opened(page), "comments.csv", "text\nI love it\n")
    expect(results(page)).to_contain_text("1 row of comments.csv", timeout=30_000)


def test_a_viewer_tries_it_too(new_page: NewPage, shown: RunningStack) -> None:
    made = shown.client.post("/keys", json={"name": "onlooker", "role": "viewer"}).json()
    page = opened(new_page(key=made["key"]))
    page.get_by_label("One per line").fill("I love it")
    page.get_by_role("button", name="Score", exact=True).click()
    assert silent(page)
    expect(results(page)).to_contain_text("1 text")
    shown.client.delete(f"/keys/{made['id']}")
