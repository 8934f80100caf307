"""The pages of models and jobs without a browser: what they say of what the database holds."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.pages import judged, words
from api.pages.site import reachable
from overheard.brands import Spec
from overheard.store import brands, drifts, jobs, keys
from overheard.store.database import Database
from overheard.store.keys import Role
from overheard.store.tables.audits import Drift
from overheard.store.tables.work import Batch, Job
from tests.pages import sign_in
from tests.versions import add_starter, add_training

NOW = datetime.now(UTC).replace(microsecond=0)
MIX = {"negative": 0.2, "neutral": 0.5, "positive": 0.3}
BETTER, WORSE = "b0b0b0b0b0b0", "aaaaaaaaaaaa"


@pytest.fixture
def trained(database: Database) -> str:
    """The first model, a training that was promoted on 200 labels, one that was not on 300. Gives the first model."""
    first = add_starter(database, NOW - timedelta(days=20))
    assert add_training(database, BETTER, first, (1.0, 1.6), 200, NOW - timedelta(days=8))["promoted"]
    assert not add_training(database, WORSE, BETTER, (1.6, 1.3), 300, NOW - timedelta(days=1))["promoted"]
    return first


def add_job(database: Database, job_id: str, at: datetime = NOW, filename: str = "", **told: Any) -> None:
    given = {"kind": "score", "state": "running", "stage": "scoring", "owner": "admin", "total": 10, **told}
    times = {"created_at": at, "started_at": at, "lease_until": at + timedelta(days=1)}
    with database.write() as session:
        session.add(Job(id=job_id, request_hash="", **{**times, **given}))
        session.flush()
        if filename:
            facts = {"format": "csv", "text_column": "text", "prefix": ""}
            session.add(Batch(job_id=job_id, filename=filename, rejects=[{"line": 7, "reason": "4 cells"}], **facts))


def text_of(page: str) -> str:
    """As it is read: without tags, spaces folded."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_before_anything_is_known_the_next_steps_are_told(client: FlaskClient) -> None:
    page = text_of(client.get("/app/models").text)
    assert "No training has run yet" in page
    assert "makes the first model known" in page
    assert "No job yet" in text_of(client.get("/app/jobs").text)


def test_the_champion_and_the_newest_verdict_are_told_with_reasons(client: FlaskClient, trained: str) -> None:
    page = text_of(client.get("/app/models").text)
    assert re.search(rf"In service {BETTER} since .* by a training", page)
    assert "not promoted" in page
    assert "Something speaks against it, whatever the other figures say. Source base fell by more than" in page
    assert re.search(r"Macro-recall 0\.\d+ against 0\.\d+ on 900 rows: -\d+\.\d points", page)
    assert re.search(rf"{WORSE} challenger .*{BETTER} champion .*{trained} previous", page.partition("Versions")[2])


def test_a_version_tells_how_it_answered_and_what_it_is_made_of(client: FlaskClient, trained: str) -> None:
    page = client.get(f"/app/models/{BETTER}").text
    assert "By source, brand and freshness" in page
    assert "Fresh labels" in page
    assert "refresh of a champion" in page
    first = text_of(client.get(f"/app/models/{trained}").text)
    assert re.search(r"Negative 223 73.% 64 21.% 17 6.%", first)  # of overheard/starter/manifest.json
    assert re.search(r"\d\d% sure", first)  # as the champion of the first training
    assert client.get("/app/models/0123456789ab").status_code == 404


def test_versions_are_paged_and_another_address_is_refused_in_words(client: FlaskClient, database: Database) -> None:
    first = add_starter(database, NOW - timedelta(days=90))
    for number in range(12):
        add_training(database, f"{number:012x}", first, (1.0, 1.0), number, NOW - timedelta(days=60 - number))
    page = client.get("/app/models").text
    (older,) = re.findall(r'href="([^"]+)" rel="next"', page)
    listed = f'<th scope="row"><a class="mono" href="/app/models/{first}"'
    assert listed not in page
    assert listed in client.get(older.replace("&amp;", "&")).text
    refused = client.get("/app/models?cursor=nonsense")
    assert (refused.status_code, "means nothing here" in refused.text) == (400, True)


def test_drift_is_told_in_times_the_limit(client: FlaskClient, database: Database, trained: str) -> None:
    with database.write() as session:
        brand, _ = brands.add(session, "Acme", Spec.read({}), NOW)
        for weeks, js in ((0, 0.0046), (1, 0.001)):
            figures = {"js": js, "limit": 0.0023, "posts": 640, "is_drift": js > 0.0023, "now": MIX, "trained": MIX}
            week = drifts.week_of(NOW) - timedelta(weeks=weeks)
            about = {"feature": "classes", "model": BETTER, "posts": 640, "is_drift": js > 0.0023}
            session.add(Drift(brand_id=brand.id, week=week, figures=figures, measured_at=NOW, **about))
    page = text_of(client.get("/app/models").text)
    assert re.search(r"Classes moods, as the model calls them 640 2\.0 drifts", page)


def test_jobs_are_listed_with_how_far_they_are_and_filtered(client: FlaskClient, database: Database) -> None:
    began = datetime.now(UTC) - timedelta(seconds=10)
    add_job(database, "one", began, kind="batch", total=1000, done=500, filename="posts.csv")
    add_job(database, "two", began - timedelta(minutes=5), state="queued", stage="queued", started_at=None)
    page = text_of(client.get("/app/jobs").text)
    assert re.search(r"posts\.csv Runs 500 of 1.000 rows, \d+ per second, \d+.(s|min) left admin", page)
    assert re.search(r"10 texts Waits 10 texts, waits for a worker", page)
    assert "Redis does not answer" in page
    assert "posts.csv" not in client.get("/app/jobs?state=queued").text
    assert "10 texts" not in text_of(client.get("/app/jobs?kind=batch").text)
    assert "No job is like that" in client.get("/app/jobs?kind=training").text
    assert client.get("/app/jobs?kind=other").status_code == 400


def test_a_job_that_failed_says_why_and_its_log_how(client: FlaskClient, database: Database) -> None:
    error = {"title": "DataError", "detail": "'furious' is no label"}
    add_job(database, "bad", kind="training", state="failed", stage="failed", error=error, finished_at=NOW)
    with database.write() as session:
        jobs.note(session, "bad", NOW, "reading the data")
    page = text_of(client.get("/app/jobs/bad").text)
    assert "What went wrong: &#39;furious&#39; is no label (DataError)" in page
    assert "reading the data" in page
    assert "Try again" in page
    assert client.get("/app/jobs/unknown").status_code == 404


def test_a_file_that_is_done_can_be_taken_along_with_the_rows_that_could_not_be_read(
    client: FlaskClient, database: Database
) -> None:
    told = {"kind": "batch", "state": "succeeded", "stage": "succeeded", "done": 10, "rejected": 1}
    add_job(database, "done", filename="posts.csv", finished_at=NOW, **told)
    page = client.get("/app/jobs/done").text
    assert re.search(r'href="/batches/done/results\?format=csv" download="posts.scored.csv"', page)
    assert "1 row could not be read" in text_of(page)
    assert "4 cells" in page


def test_a_viewer_is_offered_nothing_that_changes_anything(
    app: Flask, database: Database, client: FlaskClient, trained: str
) -> None:
    add_job(database, "runs")
    with database.write() as session:
        _, secret = keys.create(session, "onlooker", Role.viewer, NOW)
    viewer = app.test_client()
    sign_in(viewer, secret)
    for path in ("/app/models", f"/app/models/{trained}", "/app/jobs/runs"):
        assert "data-asks" in client.get(path).text
        seen = viewer.get(path)
        assert seen.status_code == 200
        assert not re.search("data-asks|data-call|<dialog", seen.text)


def test_what_labels_bought_begins_with_the_champion_that_had_none(database: Database, trained: str) -> None:
    with database.read() as session:
        models = [session.get_one(judged.Model, version) for version in (BETTER, WORSE)]
        curve = judged.learning_curve(models)
    recall = curve["series"][0]
    assert curve["x"] == [0, 200, 300]
    assert recall["point"][0] < recall["point"][2] < recall["point"][1]
    assert all(
        low < point < high for low, point, high in zip(recall["low"], recall["point"], recall["high"], strict=True)
    )


@pytest.mark.parametrize(
    ("url", "mine", "is_reachable"),
    [
        ("http://127.0.0.1:5555", "http://localhost:8000", True),
        ("http://127.0.0.1:5555", "https://overheard.example.org", False),
        ("http://mlflow:5000", "http://localhost:8000", False),
        ("https://mlflow.example.org", "https://overheard.example.org", True),
        (None, "http://localhost:8000", False),
    ],
)
def test_no_link_leads_where_the_readers_browser_does_not_get(
    app: Flask, url: str | None, mine: str, is_reachable: bool
) -> None:
    with app.test_request_context("/", base_url=mine):
        assert (reachable(url) == url and url is not None) == is_reachable


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.2, "1 s"), (12, "12 s"), (240, "4 min"), (7500, "2 h 5 min"), (3590, "1 h 0 min")]
)
def test_durations_are_rounded_to_what_they_are_worth(seconds: float, told: str) -> None:
    assert words.duration(seconds).replace(words.NARROW, " ") == told
