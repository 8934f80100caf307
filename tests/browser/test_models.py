"""Which version serves, how good it is, and a training that is watched from its start to its promotion."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import NewPage, sign_in
from tests.browser.looks import Watched, looks_right, silent, stayed_in_place, watch_shifts
from tests.stack import RunningStack, eventually
from tests.toy import toy_posts

pytest.importorskip("torch", reason="training is not installed")

from tests.checkpoints import learning_stack  # after the skip: it imports torch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NAMES = ("negative", "neutral", "positive")
TRAINS_MS = 240_000


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with learning_stack(tmp_path_factory.mktemp("loop")) as running:
        labels = [{"text": text, "label": NAMES[label], "brand": "acme"} for text, label in toy_posts(300, seed=2)]
        assert running.client.post("/labels", json={"labels": labels}).status_code == 200
        yield running


@pytest.fixture
def learner(browser: Browser, loop: RunningStack) -> Iterator[Page]:
    """An admin's page on that stack."""
    context = browser.new_context(base_url=loop.url, viewport={"width": 1280, "height": 900})
    page = Watched.new(context)
    watch_shifts(page)
    sign_in(page, loop.key)
    yield page
    for job in loop.client.get("/jobs", params={"kind": "training"}).json()["jobs"]:
        if job["finished_at"] is None:
            loop.client.delete(f"/jobs/{job['id']}")
    context.close()


def train(page: Page, epochs: str) -> Locator:
    """As somebody does who wants other epochs. Returns where the training is told of."""
    page.goto("/app/models")
    page.get_by_role("button", name="Train now").click()
    asked = page.get_by_role("dialog", name="Train a new version?")
    expect(asked).to_contain_text("The challenger takes over only where it is proved better")
    asked.get_by_text("Other than by default").click()
    asked.get_by_label("Epochs").fill(epochs)
    asked.get_by_role("button", name="Train now").click()
    expect(asked).to_be_hidden()
    expect(page.get_by_text("The training has begun.")).to_be_visible()
    return page.get_by_role("region", name="Training", exact=True)


def serving(stack: RunningStack) -> str:
    return str(stack.infer(["word1 word50"]).headers["Overheard-Model"])


def test_a_training_is_watched_to_its_promotion_and_rolled_back(learner: Page, loop: RunningStack) -> None:
    page, before = learner, serving(loop)
    training = train(page, "5")
    progress = training.get_by_text(re.compile(r"\d+ of \d+ steps"))
    expect(progress).to_be_visible(timeout=TRAINS_MS)
    expect(training.get_by_role("status")).to_contain_text("Fine-tuning")
    expect(training).to_contain_text(re.compile(r"\d+.(s|min) left"))
    readout = page.locator("#losses [data-readout]")
    expect(readout).to_contain_text("Loss", timeout=TRAINS_MS)
    seen = progress.inner_text()
    expect(progress).not_to_have_text(seen)

    expect(training.get_by_role("status")).to_contain_text("promoted", timeout=TRAINS_MS)
    compared = page.get_by_role("region", name="Champion against the newest challenger")
    expect(compared).to_contain_text("It finds the three classes better than the champion did")
    expect(compared.get_by_role("listitem").first).to_contain_text(re.compile(r"Macro-recall 0\.\d+ against 0\.\d+"))
    expect(compared.get_by_role("table", name="The challenger's answers")).to_be_visible()
    assert stayed_in_place(page)
    version = eventually(lambda: (now := serving(loop)) != before and now, 20)
    in_service = page.get_by_role("region", name="In service")
    expect(in_service).to_contain_text(version)
    expect(in_service).to_contain_text("1 worker serves it", timeout=30_000)
    looks_right(page)

    page.get_by_role("button", name="Roll back").click()
    asked = page.get_by_role("dialog", name="Roll back?")
    expect(asked).to_contain_text(f"Version {before}, which served before, takes over from {version}")
    asked.get_by_label("Why").fill("it reads Mondays badly")
    asked.get_by_role("button", name="Roll back").click()
    expect(in_service).to_contain_text(before)
    expect(in_service).to_contain_text("admin: it reads Mondays badly")
    eventually(lambda: serving(loop) == before, 20)

    row = page.get_by_role("row", name=re.compile(version)).last
    expect(row).to_contain_text("previous")
    row.get_by_role("button", name="Let it serve").click()
    asked = page.get_by_role("dialog", name="Let another version serve?")
    expect(asked).to_contain_text(version)
    page.keyboard.press("Escape")
    expect(asked).to_be_hidden()
    row.get_by_role("link", name=version).click()
    expect(page.get_by_role("heading", name=f"Version {version}")).to_be_visible()
    expect(page.get_by_role("heading", name="How it learned")).to_be_visible()
    looks_right(page)
    page.get_by_role("button", name="Let it serve").click()
    asked.get_by_role("button", name="Let it serve").click()
    expect(page.locator(".head")).to_contain_text("champion")
    eventually(lambda: serving(loop) == version, 20)
    assert silent(page)


def test_a_training_is_cancelled_and_its_job_says_so(learner: Page, loop: RunningStack) -> None:
    page = learner
    training = train(page, "60")
    training.get_by_role("button", name="Cancel").click(timeout=TRAINS_MS)
    page.get_by_role("dialog", name="Cancel this job?").get_by_role("button", name="Cancel the job").click()
    expect(training.get_by_role("status")).to_contain_text("Cancelled", timeout=30_000)
    expect(page.get_by_role("button", name="Train now")).to_be_visible()
    training.get_by_role("link", name="Its log").click()
    expect(page.get_by_role("region", name="Log", exact=True)).to_contain_text("cancelled")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    looks_right(page)


def test_the_first_model_is_told_with_its_figures_and_how_to_train_where_nobody_can(page: Page) -> None:
    page.goto("/app/models")
    expect(page.get_by_role("region", name="Macro-recall")).to_contain_text(re.compile(r"72\s%\s+±\d"))
    expect(page.get_by_role("main")).to_contain_text("Nothing can be trained here.")
    expect(page.get_by_role("main")).to_contain_text("python -m worker train")
    expect(page.get_by_role("button", name="Train now")).to_have_count(0)
    looks_right(page)

    page.get_by_role("region", name="In service").get_by_role("link").click()
    answers = page.get_by_role("table", name="What it answered")
    expect(answers.get_by_role("row", name=re.compile("Neutral")).last).to_contain_text("542")
    page.get_by_role("region", name="Its answers").get_by_text("Numbers as a table").click()
    expect(page.get_by_role("region", name="Calibration: numbers")).to_contain_text("called neutral")
    looks_right(page)


def test_drift_is_told_once_it_was_measured(page: Page, shown: RunningStack) -> None:
    assert shown.client.post("/schedules/measure-drift/runs").status_code == 202
    brand = shown.client.get("/brands", params={"name": "Tazzamo"}).json()["brands"][0]["id"]
    eventually(lambda: shown.client.get(f"/brands/{brand}/drift").json()["weeks"], 60)
    page.goto("/app/models")
    drift = page.get_by_role("region", name="Drift: posts on Tazzamo")
    expect(drift.get_by_role("row", name=re.compile("Vocabulary"))).to_contain_text(re.compile("drifts|as trained"))
    looks_right(page)


def test_a_viewer_looks_and_is_offered_nothing(new_page: NewPage, shown: RunningStack) -> None:
    made = shown.client.post("/keys", json={"name": "onlooker", "role": "viewer"}).json()
    page = new_page(key=made["key"])
    page.goto("/app/models")
    expect(page.get_by_role("heading", name="Versions")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)
    assert silent(page)
    shown.client.delete(f"/keys/{made['id']}")
