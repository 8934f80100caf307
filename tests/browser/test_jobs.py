"""Work that outlives its request, as people watch it, stop it, and take its results along."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, expect

from overheard.store import jobs
from overheard.store.database import Database
from overheard.store.tables.work import Job
from tests.browser.conftest import NewPage
from tests.browser.looks import looks_right, silent, stayed_in_place, watch_shifts
from tests.stack import RunningStack, eventually

pytestmark = pytest.mark.slow

MANY = 60_000
SLOW_MS = 90_000
"""A part of a file has 1,000 rows, and a busy machine has no hurry."""


def upload(stack: RunningStack, name: str, lines: list[str]) -> str:
    files = {"file": (name, "\n".join(["customer,text", *lines, ""]), "text/csv")}
    answer = stack.client.post("/batches", files=files)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def listed(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name="Jobs").get_by_role("row", name=re.compile(name))


@pytest.fixture
def under_way(shown: RunningStack) -> Iterator[str]:
    """A file that takes longer than anybody here looks at it; its job's id."""
    job_id = upload(shown, "survey.csv", [f"{n},The grinder number {n} is loud and I love it" for n in range(MANY)])
    yield job_id
    if shown.job(job_id)["finished_at"] is None:
        shown.client.delete(f"/jobs/{job_id}")


@pytest.fixture
def failed(shown: RunningStack) -> Iterator[str]:
    """A job that went wrong, as workers leave it."""
    database, now, job_id = Database(f"sqlite:///{shown.home / 'overheard.db'}"), datetime.now(UTC), str(uuid4())
    with database.write() as session:
        told = {"kind": "training", "state": "queued", "stage": "queued", "owner": "beat", "request_hash": ""}
        session.add(Job(id=job_id, created_at=now, lease_until=now, **told))
        session.flush()
        jobs.note(session, job_id, now, "reading the data")
        error = {"title": "DataError", "detail": "'furious' is no label: line 7 of sentiment.csv"}
        jobs.finish(session, jobs.lock(session, job_id), "failed", now, error)
    yield job_id
    jobs.remove(database, job_id)
    database.engine.dispose()


def test_a_file_is_watched_cancelled_and_tried_again(page: Page, shown: RunningStack, under_way: str) -> None:
    watch_shifts(page)
    page.goto("/app/jobs")
    job = listed(page, "survey.csv").first
    expect(job).to_contain_text("Runs", timeout=SLOW_MS)
    expect(job).to_contain_text(
        re.compile(r"of 60.000 rows, [\d\s]+ per second, \d+.(s|min|h).* left"), timeout=SLOW_MS
    )
    seen = job.inner_text()
    expect(job).not_to_have_text(seen, timeout=SLOW_MS)  # it gets on by itself
    assert stayed_in_place(page)
    job.get_by_role("link").click()

    expect(page.get_by_role("heading", name="survey.csv")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    asked = page.get_by_role("dialog", name="Cancel this job?")
    expect(asked).to_contain_text("What is done stays done")
    asked.get_by_role("button", name="Leave it").click()
    expect(asked).to_be_hidden()
    assert shown.job(under_way)["state"] == "running"
    page.get_by_role("button", name="Cancel").click()
    asked.get_by_role("button", name="Cancel the job").click()
    expect(page.get_by_role("main")).to_contain_text("Cancelled", timeout=SLOW_MS)
    eventually(lambda: shown.job(under_way)["state"] == "cancelled", 10)

    done = shown.job(under_way)["progress"]["done"]
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=SLOW_MS)
    eventually(lambda: shown.job(under_way)["progress"]["done"] > done, 60)
    assert stayed_in_place(page)
    assert silent(page)


def test_a_file_is_done_while_one_looks_and_is_taken_along(page: Page, shown: RunningStack) -> None:
    watch_shifts(page)
    page.goto("/app/jobs")
    name = f"comments-{uuid4().hex[:6]}.csv"
    upload(shown, name, ["1,I love it", "2,It broke. Never again.", "3,too,many,cells"])
    job = listed(page, name)
    expect(job).to_contain_text("Done", timeout=30_000)
    expect(job).to_contain_text(re.compile(r"2 rows in \d+.s"))
    assert stayed_in_place(page)
    job.get_by_role("link").click()
    expect(page.get_by_text("1 row could not be read and was left out")).to_be_visible()
    page.get_by_text("Rows that could not be read").click()
    expect(page.get_by_role("region", name="Rows that could not be read")).to_contain_text("4")
    expect(page.get_by_role("region", name="Log", exact=True)).to_contain_text("succeeded")
    looks_right(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == name.replace(".csv", ".scored.csv")
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert [one["label"] for one in rows] == ["positive", "negative"]


def test_what_went_wrong_is_told_in_words_with_the_log(page: Page, failed: str) -> None:
    page.goto("/app/jobs?state=failed&kind=training")
    job = listed(page, "Training")
    expect(job).to_contain_text("Failed")
    expect(job).to_contain_text("the timetable")
    job.get_by_role("link").click()
    expect(page).to_have_url(re.compile(failed))
    expect(page.get_by_text("What went wrong:")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("'furious' is no label: line 7 of sentiment.csv")
    expect(page.get_by_role("region", name="Log", exact=True)).to_contain_text("reading the data")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    looks_right(page)


def test_lists_are_filtered_by_the_address_and_paged(page: Page, shown: RunningStack) -> None:
    for number in range(22):
        shown.infer([f"text {number}"], headers={"Prefer": "respond-async"})
    page.goto("/app/jobs")
    page.get_by_role("link", name="Texts", exact=True).click()
    page.wait_for_url("**kind=score**")
    page.get_by_role("link", name="Done", exact=True).click()
    page.wait_for_url(lambda url: "kind=score" in url and "state=succeeded" in url)
    expect(page.get_by_role("link", name="1 text", exact=True)).to_have_count(20, timeout=SLOW_MS)
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("link", name="Newest")).to_be_visible()
    expect(page.get_by_role("link", name="1 text", exact=True).first).to_be_visible()
    page.get_by_role("link", name="Cancelled").click()
    page.get_by_role("link", name="Training", exact=True).click()
    expect(page.get_by_text("No job is like that")).to_be_visible()
    page.get_by_role("link", name="All jobs").click()
    expect(page).to_have_url(re.compile(r"/app/jobs$"))
    looks_right(page)


def test_workers_are_told_and_what_waits_for_them(page: Page) -> None:
    page.goto("/app/jobs")
    machines = page.get_by_role("region", name="Workers and what waits for them")
    expect(machines.get_by_role("row", name=re.compile("Texts that somebody waits for"))).to_contain_text("alive")
    expect(machines.get_by_role("row", name=re.compile("Trainings"))).to_contain_text("nobody does it")
    expect(machines.get_by_role("link", name="Flower")).to_have_count(0)  # this stack has none


def test_a_viewer_looks_and_is_offered_nothing(new_page: NewPage, shown: RunningStack, failed: str) -> None:
    made = shown.client.post("/keys", json={"name": "onlooker", "role": "viewer"}).json()
    page = new_page(key=made["key"])
    page.goto(f"/app/jobs/{failed}")
    expect(page.get_by_text("What went wrong:")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    assert silent(page)
    shown.client.delete(f"/keys/{made['id']}")
