"""How texts travel from the API to a model and back: merged, in two lanes, never twice, within bounds."""

import math
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from overheard import demo
from tests.stack import RunningStack, eventually

TEXTS = [post.text for post in demo.posts()]


def new_texts(count: int) -> list[str]:
    """Texts that no test has sent before."""
    mark = uuid4().hex
    return [f"{TEXTS[n % len(TEXTS)]} {mark} {n}" for n in range(count)]


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack whose queue is soon full."""
    home = tmp_path_factory.mktemp("narrow") / "home"
    with RunningStack(home, max_queued_messages=1000, max_waiters=4) as running:
        yield running


def test_requests_that_wait_travel_together_and_get_their_own_answers(stack: RunningStack) -> None:
    texts = new_texts(48)
    known = stack.infer(texts).json()
    sent = stack.metric("overheard_scoring_tasks_total")
    worker = stack.program("worker", "ml")
    worker.suspend()
    try:
        with ThreadPoolExecutor(len(texts)) as pool:
            asked = [pool.submit(stack.infer, [text]) for text in texts]
            eventually(lambda: stack.metric("overheard_waiting_requests") == len(texts))
            worker.resume()
            answers = [future.result(60) for future in asked]
    finally:
        worker.resume()
    assert {answer.status_code for answer in answers} == {200}
    for answer, alone in zip(answers, known, strict=True):
        assert answer.json() == [pytest.approx(alone, abs=1e-3)]
    assert stack.metric("overheard_scoring_tasks_total") - sent < len(texts) / 2


def test_a_request_that_gives_up_leaves_those_it_would_have_travelled_with_alone(stack: RunningStack) -> None:
    worker = stack.program("worker", "ml")
    worker.suspend()
    try:
        with ThreadPoolExecutor(20) as pool:
            patient = [pool.submit(stack.infer, [text]) for text in new_texts(10)]
            hasty = [pool.submit(stack.infer, [text], params={"wait": 0.2}) for text in new_texts(10)]
            assert [future.result(30).status_code for future in hasty] == [202] * 10
            worker.resume()
            assert [future.result(60).status_code for future in patient] == [200] * 10
    finally:
        worker.resume()


def test_reposts_are_scored_once(stack: RunningStack) -> None:
    texts = new_texts(20)
    first = stack.infer(texts).json()
    hits = 'overheard_score_cache_lookups_total{result="hit"'
    before = eventually(lambda: stack.metric("overheard_score_cache_bytes") > 0 and stack.metrics_like(hits) + 1) - 1
    again = stack.infer([f"  {text} " for text in texts])
    assert again.json() == first
    eventually(lambda: stack.metrics_like(hits) >= before + len(texts))


@pytest.mark.slow
def test_jobs_leave_a_worker_free_for_those_who_wait(stack: RunningStack) -> None:
    jobs = [stack.infer(new_texts(300), headers={"Prefer": "respond-async"}).json()["job_id"] for _ in range(24)]
    most_held = 0
    with sqlite3.connect(f"file:{stack.home / 'overheard.db'}?mode=ro", uri=True) as database:
        for text in new_texts(10):
            held = (
                "SELECT count(*) FROM parts JOIN jobs ON jobs.id = parts.job_id "
                "WHERE jobs.state = 'running' AND parts.scores IS NULL AND parts.lease_until IS NOT NULL"
            )
            most_held = max(most_held, database.execute(held).fetchone()[0])
            assert stack.infer([text]).status_code == 200
    unfinished = [job for job in jobs if not stack.job(job)["finished_at"]]
    assert len(unfinished) > 16, "the jobs were done before anything was shown"
    assert 1 <= most_held <= 2
    for job in jobs:
        eventually(lambda job=job: stack.job(job)["state"] == "succeeded", 120)


@pytest.mark.slow
def test_a_full_queue_says_honestly_when_to_come_back_and_loses_nothing(narrow: RunningStack) -> None:
    warm = new_texts(600)
    assert narrow.infer(warm).status_code == 200
    rate = eventually(lambda: narrow.metric("overheard_worker_rate"))
    worker = narrow.program("worker", "ml")
    worker.suspend()
    try:
        accepted = [narrow.infer(new_texts(700), headers={"Prefer": "respond-async"}) for _ in range(2)]
        assert [answer.status_code for answer in accepted] == [202, 202]
        assert narrow.metric("overheard_queued_messages") == 1400
        refused = narrow.infer(new_texts(5), headers={"Prefer": "respond-async"})
        assert refused.status_code == 503
        assert "1,400 messages are queued already" in refused.json()["detail"]
        assert int(refused.headers["Retry-After"]) == max(1, math.ceil(401 / rate))
    finally:
        worker.resume()
    for job in [answer.json()["job_id"] for answer in accepted]:
        eventually(lambda job=job: narrow.job(job)["state"] == "succeeded", 60)
    assert narrow.infer(new_texts(5), headers={"Prefer": "respond-async"}).status_code == 202


@pytest.mark.slow
def test_too_many_waiters_are_told_when_those_before_them_will_be_done(narrow: RunningStack) -> None:
    rate = eventually(lambda: narrow.metric("overheard_worker_rate"))
    worker = narrow.program("worker", "ml")
    worker.suspend()
    try:
        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(narrow.infer, new_texts(2000)) for _ in range(4)]
            eventually(lambda: narrow.metric("overheard_waiting_requests") == 4)
            refused = narrow.infer(["one more"])
            assert refused.status_code == 503
            assert int(refused.headers["Retry-After"]) == pytest.approx(8000 / rate, abs=1)
            worker.resume()
            assert {future.result(90).status_code for future in waiting} <= {200, 202}
    finally:
        worker.resume()
