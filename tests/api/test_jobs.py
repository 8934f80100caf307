"""The contract of /jobs and its sub-calls, over HTTP, against a real stack."""

import json
import os
import subprocess
import sys
from uuid import uuid4

import pytest

from tests.stack import RunningStack, eventually


def start_job(stack: RunningStack, messages: list[str]) -> str:
    answer = stack.infer(messages, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    return str(answer.json()["job_id"])


def finished(stack: RunningStack, job_id: str) -> dict[str, object]:
    return eventually(lambda: (job := stack.job(job_id))["finished_at"] and job, 60)


def test_a_job_tells_its_state_progress_and_log(stack: RunningStack) -> None:
    job = finished(stack, start_job(stack, ["fine", "bad"]))
    assert job["state"] == "succeeded"
    progress = job["progress"]
    assert (progress["done"], progress["total"], progress["rejected"], progress["eta_s"]) == (2, 2, 0, None)
    assert progress["rows_per_s"] > 0
    assert job["error"] is None
    eventually(lambda: stack.job(str(job["id"]))["celery_state"] == "SUCCESS")
    assert [line["line"] for line in job["log"]] == ["accepted: 2 messages in 1 parts", "started", "succeeded"]
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]


def test_jobs_are_listed_by_kind_with_who_asked_for_them(stack: RunningStack) -> None:
    job_id = start_job(stack, ["mine"])
    found = {kind: stack.client.get("/jobs", params={"kind": kind}).json()["jobs"] for kind in ("score", "training")}
    assert next(job["owner"] for job in found["score"] if job["id"] == job_id) == "admin"
    assert found["training"] == []
    assert stack.client.get("/jobs", params={"kind": "other"}).status_code == 422


def test_any_celery_client_sees_the_job_succeed(stack: RunningStack) -> None:
    job_id = start_job(stack, ["seen from outside"] * 300)
    script = (
        "import sys, time; from worker.app import app\n"
        "result = app.AsyncResult(sys.argv[1])\n"
        "deadline = time.monotonic() + 60\n"
        "while not result.ready() and time.monotonic() < deadline: time.sleep(0.1)\n"
        "print(result.state, result.result)"
    )
    environment = {**os.environ, "OVERHEARD_HOME": str(stack.home)}
    seen = subprocess.run(
        [sys.executable, "-c", script, job_id], env=environment, capture_output=True, text=True, check=True
    )
    assert seen.stdout.strip() == "SUCCESS {'stage': 'succeeded', 'done': 300, 'total': 300}"


def test_an_unknown_job_is_404_everywhere(stack: RunningStack) -> None:
    unknown = f"/jobs/{uuid4()}"
    calls = [("GET", ""), ("GET", "/result"), ("GET", "/events"), ("DELETE", ""), ("POST", "/retry")]
    answers = [stack.client.request(method, unknown + rest) for method, rest in calls]
    assert [answer.status_code for answer in answers] == [404] * 5
    assert all("no job" in answer.json()["detail"] for answer in answers)


def test_a_cancelled_job_stays_cancelled_until_it_is_retried(stack: RunningStack) -> None:
    job_id = start_job(stack, [f"text number {n} of a long job" for n in range(10_000)])
    cancelled = stack.client.delete(f"/jobs/{job_id}")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert stack.client.delete(f"/jobs/{job_id}").json()["state"] == "cancelled"
    assert stack.client.get(f"/jobs/{job_id}/result").status_code == 409
    eventually(lambda: stack.job(job_id)["celery_state"] == "REVOKED")
    retried = stack.client.post(f"/jobs/{job_id}/retry")
    assert (retried.status_code, retried.json()["state"]) == (202, "queued")
    eventually(lambda: stack.job(job_id)["progress"]["done"] > 0)
    stack.client.delete(f"/jobs/{job_id}")


def test_a_job_that_succeeded_can_be_neither_cancelled_nor_retried(stack: RunningStack) -> None:
    job_id = start_job(stack, ["done"])
    finished(stack, job_id)
    assert stack.client.delete(f"/jobs/{job_id}").status_code == 409
    retried = stack.client.post(f"/jobs/{job_id}/retry")
    assert retried.status_code == 409
    assert "only a failed or cancelled job" in retried.json()["detail"]


def test_events_tell_the_job_until_it_has_ended(stack: RunningStack) -> None:
    job_id = start_job(stack, [f"event {n}" for n in range(2_000)])
    with stack.client.stream("GET", f"/jobs/{job_id}/events") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        told = [json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: ")]
    assert told[-1]["state"] == "succeeded"
    done = [job["progress"]["done"] for job in told]
    assert done == sorted(done)
    assert done[-1] == 2_000
    assert len(told) > 1


def test_pages_lead_through_all_jobs_newest_first(stack: RunningStack) -> None:
    made = [start_job(stack, [f"page {n}"]) for n in range(5)]
    ids: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = stack.client.get("/jobs", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        ids += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
    assert ids[:5] == made[::-1]
    assert len(ids) == len(set(ids))


def test_jobs_can_be_listed_by_state(stack: RunningStack) -> None:
    finished(stack, start_job(stack, ["x"]))
    jobs = stack.client.get("/jobs", params={"state": "succeeded"}).json()["jobs"]
    assert jobs
    assert {job["state"] for job in jobs} == {"succeeded"}


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 201}, {"state": "happy"}, {"cursor": "bm9uc2Vuc2U="}])
def test_422_for_a_page_that_makes_no_sense(stack: RunningStack, query: dict[str, str]) -> None:
    answer = stack.client.get("/jobs", params=query)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == next(iter(query))
