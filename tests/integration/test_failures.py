"""Processes die and servers restart; nothing that was accepted is lost. Each test breaks a stack of its own."""

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from redis import Redis
from sqlalchemy import select

from overheard.store.database import Database
from overheard.store.tables.work import Part
from tests.stack import RunningStack, eventually

pytestmark = pytest.mark.slow

REQUESTS, MESSAGES = 200, 50


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[RunningStack]:
    """Notices losses soon, so that the tests need not wait for the defaults."""
    with RunningStack(
        tmp_path / "home", max_waiters=256, visibility_s=4, lease_s=4, reap_every_s=1, wait_s=120, resend_s=60
    ) as stack:
        yield stack


def request_texts(number: int) -> list[str]:
    """No text occurs twice, and moods differ, so that somebody else's answer would be noticed."""
    moods = ["I love this", "this is terrible", "it is a table", "best ever", "never again", "hm"]
    return [f"{moods[(number + row) % len(moods)]} {number} {row} {'very ' * (row % 9)}" for row in range(MESSAGES)]


def kill(stack: RunningStack, *words: str) -> None:
    stack.program(*words).send_signal(signal.SIGKILL)


def kill_at_a_part(stack: RunningStack, job_id: str) -> None:
    """While the scoring worker holds one: between two of them it can be killed without a trace."""
    worker, database = stack.program("worker", "ml"), Database(f"sqlite:///{stack.home / 'overheard.db'}")

    def is_caught() -> bool:
        worker.suspend()
        leased = (Part.job_id == job_id, Part.scores.is_(None), Part.lease_until > datetime.now(UTC))
        with database.read() as session:
            held = session.scalars(select(Part.number).where(*leased)).all()
        if not held:
            worker.resume()
        return bool(held)

    eventually(is_caught)
    worker.kill()
    database.engine.dispose()


def test_killing_the_scoring_worker_loses_no_request(fragile: RunningStack) -> None:
    texts = [request_texts(number) for number in range(REQUESTS)]
    answered = 0
    lock = threading.Lock()

    def ask(number: int) -> httpx2.Response:
        nonlocal answered
        answer = fragile.infer(texts[number])
        with lock:
            answered += 1
        return answer

    with ThreadPoolExecutor(REQUESTS) as pool:
        asked = [pool.submit(ask, number) for number in range(REQUESTS)]
        eventually(lambda: answered >= 10 and fragile.metric("overheard_waiting_requests") >= 100, 60)
        kill(fragile, "worker", "ml")
        assert REQUESTS - answered >= 100
        answers = [future.result(120) for future in asked]
    assert [answer.status_code for answer in answers] == [200] * REQUESTS
    assert fragile.metric("overheard_redeliveries_total") >= 1
    assert fragile.metric("overheard_resent_parts_total") == 0
    for number in range(0, REQUESTS, 10):
        alone = fragile.infer(texts[number]).json()
        for row, same in zip(answers[number].json(), alone, strict=True):
            assert row == pytest.approx(same, abs=1e-3)


def test_a_part_without_an_answer_is_sent_again(tmp_path: Path) -> None:
    with RunningStack(tmp_path / "home", visibility_s=600, resend_s=2) as stack, ThreadPoolExecutor(64) as pool:
        asked = [pool.submit(stack.infer, request_texts(number)) for number in range(64)]
        eventually(lambda: stack.metric("overheard_waiting_requests") >= 32)
        kill(stack, "worker", "ml")
        assert [future.result(60).status_code for future in asked] == [200] * 64
        assert stack.metric("overheard_resent_parts_total") >= 1


def test_killing_the_scoring_worker_in_the_middle_of_a_job_scores_each_text_once(fragile: RunningStack) -> None:
    texts = [text for number in range(60) for text in request_texts(number)]
    job_id = fragile.infer(texts, headers={"Prefer": "respond-async"}).json()["job_id"]
    eventually(lambda: 0 < fragile.job(job_id)["progress"]["done"] < len(texts), 60)
    kill(fragile, "worker", "ml")
    job = eventually(lambda: (job := fragile.job(job_id))["finished_at"] and job, 120)
    assert (job["state"], job["progress"]["done"]) == ("succeeded", len(texts))
    rows = fragile.client.get(f"/jobs/{job_id}/result").json()
    assert len(rows) == len(texts)
    for row, same in zip(rows[:MESSAGES], fragile.infer(texts[:MESSAGES]).json(), strict=True):
        assert row == pytest.approx(same, abs=1e-3)


def test_stopping_and_starting_redis_loses_no_queued_work(fragile: RunningStack) -> None:
    worker = fragile.program("worker", "ml")
    worker.suspend()
    jobs = [fragile.infer(request_texts(n), headers={"Prefer": "respond-async"}).json()["job_id"] for n in range(20)]
    redis = next(p for p in fragile.processes() if "server" in p.name())
    redis.terminate()
    redis.wait(20)
    eventually(lambda: any("server" in p.name() for p in fragile.processes()))
    worker.resume()
    ended = [eventually(lambda job=job: fragile.job(job)["finished_at"] and fragile.job(job), 60) for job in jobs]
    assert {job["state"] for job in ended} == {"succeeded"}
    assert fragile.infer(["and it goes on"]).status_code == 200


def test_a_lost_message_is_replaced_by_the_reaper(fragile: RunningStack) -> None:
    worker = fragile.program("worker", "ml")
    worker.suspend()
    job_id = fragile.infer(["lost on the way"], headers={"Prefer": "respond-async"}).json()["job_id"]
    with Redis.from_url(fragile.redis_url) as redis:
        redis.delete("scoring.bulk")  # unless it has gone to the worker's pending BRPOP already, and dies with it
    worker.kill()
    eventually(lambda: fragile.job(job_id)["state"] == "succeeded", 60)
    assert "no sign of life: queued again" in [line["line"] for line in fragile.job(job_id)["log"]]


def test_without_a_worker_a_waiting_request_is_told_so_and_a_job_is_kept(fragile: RunningStack) -> None:
    worker = fragile.program("worker", "ml")
    worker.suspend()
    eventually(lambda: fragile.client.get("/health/ready").status_code == 503)
    refused = fragile.infer(["anybody there?"])
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert "no scoring worker" in refused.json()["detail"]
    job_id = fragile.infer(["I can wait"], headers={"Prefer": "respond-async"}).json()["job_id"]
    assert fragile.client.get("/health/live").status_code == 200
    worker.resume()
    eventually(lambda: fragile.job(job_id)["state"] == "succeeded")


def test_one_waiter_too_many_is_told_to_come_back_and_health_still_answers(tmp_path: Path) -> None:
    with RunningStack(tmp_path / "home", max_waiters=2, max_streams=1) as stack, ThreadPoolExecutor(2) as pool:
        worker = stack.program("worker", "ml")
        worker.suspend()
        waiting = [pool.submit(stack.infer, ["patience"]) for _ in range(2)]
        eventually(lambda: stack.metric("overheard_waiting_requests") == 2)
        began = time.monotonic()
        refused = stack.infer(["one more"])
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
        assert time.monotonic() - began < 5
        assert stack.client.get("/health/live").status_code == 200
        job_id = stack.infer(["x"], headers={"Prefer": "respond-async"}).json()["job_id"]
        with stack.client.stream("GET", f"/jobs/{job_id}/events") as stream:
            assert stream.status_code == 200
            assert stack.client.get(f"/jobs/{job_id}/events").status_code == 503
        worker.resume()
        assert [future.result(60).status_code for future in waiting] == [200, 200]


def test_stopping_the_stack_turns_waiting_requests_into_jobs_that_the_next_start_finishes(tmp_path: Path) -> None:
    texts = [text for number in range(40) for text in request_texts(number)]
    with RunningStack(tmp_path / "home") as stack, ThreadPoolExecutor(1) as pool:
        worker = stack.program("worker", "ml")
        worker.suspend()
        queued = stack.infer(texts, headers={"Prefer": "respond-async"}).json()["job_id"]
        waiting = pool.submit(stack.infer, ["do not forget me"])
        eventually(lambda: stack.metric("overheard_waiting_requests") == 1)
        took = stack.stop()
        assert took < 30
        answer = waiting.result(10)
        assert answer.status_code == 202
        assert stack.processes() == []
    with RunningStack(tmp_path / "home") as stack:
        for job_id in (queued, answer.json()["job_id"]):
            eventually(lambda job_id=job_id: stack.job(job_id)["state"] == "succeeded", 90)


def test_work_that_killed_its_worker_too_often_is_parked_and_can_be_retried(tmp_path: Path) -> None:
    texts = [text for number in range(100) for text in request_texts(number)]
    with RunningStack(tmp_path / "home", max_attempts=1, lease_s=2, visibility_s=2, reap_every_s=1) as stack:
        job_id = stack.infer(texts, headers={"Prefer": "respond-async"}).json()["job_id"]
        eventually(lambda: stack.job(job_id)["progress"]["done"] > 0)
        kill_at_a_part(stack, job_id)
        parked = eventually(lambda: (job := stack.job(job_id))["state"] == "failed" and job, 60)
        assert parked["error"]["title"] == "parked"
        assert f"POST /jobs/{job_id}/retry" in parked["error"]["detail"]
        eventually(lambda: stack.job(job_id)["celery_state"] == "FAILURE")
        assert job_id in [job["id"] for job in stack.client.get("/jobs", params={"state": "failed"}).json()["jobs"]]
        assert stack.client.post(f"/jobs/{job_id}/retry").status_code == 202
        eventually(lambda: stack.job(job_id)["progress"]["done"] > parked["progress"]["done"], 60)
