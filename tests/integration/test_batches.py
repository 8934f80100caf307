"""Processes die in the middle of a batch. Each test breaks a stack of its own."""

import csv
import io
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.stack import RunningStack, eventually

pytestmark = pytest.mark.slow

ROWS = 20_000
MOODS = ["I love this", "this is terrible", "it is a table", "best ever", "never again", "hm"]


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[RunningStack]:
    with RunningStack(tmp_path / "home", visibility_s=4, lease_s=4, reap_every_s=1, max_streams=2) as stack:
        yield stack


def csv_file(rows: int) -> bytes:
    """No text occurs twice, and moods differ, so that somebody else's scores would be noticed."""
    lines = (f"{n},{MOODS[n % len(MOODS)]} {n} {'very ' * (n % 9)}\n" for n in range(rows))
    return ("id,text\n" + "".join(lines)).encode()


def upload(stack: RunningStack, content: Any) -> httpx2.Response:
    return stack.client.post("/batches", content=content, headers={"Content-Type": "text/csv"})


def batch_processes(stack: RunningStack) -> list[int]:
    return [process.pid for process in stack.processes() if "overheard.batches" in process.cmdline()]


def test_killing_the_scoring_worker_in_the_middle_of_a_batch_scores_each_row_once(fragile: RunningStack) -> None:
    job_id = upload(fragile, csv_file(ROWS)).json()["job_id"]
    eventually(lambda: fragile.job(job_id)["progress"]["done"] > ROWS / 5, 120)
    fragile.program("worker", "ml").send_signal(signal.SIGKILL)
    killed_at = fragile.job(job_id)["progress"]["done"]
    assert killed_at < ROWS
    eventually(lambda: fragile.job(job_id)["progress"]["done"] > killed_at, 60)
    job = eventually(lambda: (job := fragile.job(job_id))["finished_at"] and job, 200)
    assert (job["state"], job["progress"]["done"]) == ("succeeded", ROWS)
    rows = list(csv.DictReader(io.StringIO(fragile.client.get(f"/batches/{job_id}/results").text)))
    assert [int(row["id"]) for row in rows] == list(range(ROWS))
    some = rows[:: ROWS // 200]
    for row, scores in zip(some, fragile.infer([row["text"] for row in some]).json(), strict=True):
        assert {name: float(row[name]) for name in scores} == pytest.approx(scores, abs=1e-3)


def test_an_api_that_is_killed_while_it_receives_leaves_nothing_half_made(fragile: RunningStack) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(upload, fragile, csv_file(100_000))
        listed = fragile.client.get
        (job,) = eventually(lambda: listed("/jobs", params={"state": "queued"}).json()["jobs"], 60)
        assert job["stage"] == "receiving"
        refused = fragile.client.delete(f"/jobs/{job['id']}")
        assert (refused.status_code, "still being received" in refused.json()["detail"]) == (409, True)
        for process in fragile.processes():
            if "api.app:create_app()" in process.cmdline():
                process.send_signal(signal.SIGKILL)
        with pytest.raises(httpx2.HTTPError):
            asked.result(60)
    eventually(lambda: not batch_processes(fragile))
    eventually(lambda: fragile.processes() and _is_live(fragile), 60)
    eventually(lambda: fragile.client.get(f"/jobs/{job['id']}").status_code == 404, 30)
    assert fragile.client.get("/jobs").json()["jobs"] == []
    assert not [path for path in fragile.home.iterdir() if path.name.startswith("tmp")]


def _is_live(stack: RunningStack) -> bool:
    try:
        return bool(stack.client.get("/health/ready").is_success)
    except httpx2.HTTPError:
        return False


def test_one_transfer_too_many_is_told_to_come_back(fragile: RunningStack) -> None:
    content = b"text,note\n" + b"".join(b",%s\n" % (b"x" * 2000) for _ in range(20_000))
    job_id = upload(fragile, content).json()["job_id"]
    eventually(lambda: fragile.job(job_id)["state"] == "succeeded", 60)
    path = f"/batches/{job_id}/results"
    with fragile.client.stream("GET", path) as one, fragile.client.stream("GET", path) as two:
        assert (one.status_code, two.status_code) == (200, 200)
        for refused in (fragile.client.get(path), upload(fragile, b"text\na\n")):
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    eventually(lambda: fragile.client.get(path).status_code == 200)


def test_stopping_the_stack_in_the_middle_of_transfers_leaves_no_process_and_the_batch_goes_on(tmp_path: Path) -> None:
    with RunningStack(tmp_path / "home", lease_s=4, reap_every_s=1) as stack, ThreadPoolExecutor(1) as pool:
        job_id = upload(stack, csv_file(4000)).json()["job_id"]
        asked = pool.submit(upload, stack, csv_file(300_000))
        eventually(lambda: batch_processes(stack), 60)
        assert stack.stop() < 30
        asked.exception(60)
        assert stack.processes() == []
    with RunningStack(tmp_path / "home") as stack:
        eventually(lambda: stack.job(job_id)["state"] == "succeeded", 90)
