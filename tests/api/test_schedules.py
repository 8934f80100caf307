"""`/schedules`, the same in Airflow's shape, and `overheard schedules`, on a real stack."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.stack import OVERHEARD, RunningStack, eventually

TRAINER = "/api/v1/dags/sentiment_trainer"


@pytest.fixture(autouse=True)
def as_it_came(stack: RunningStack) -> Iterator[None]:
    """Beat has begun, and what a test changes is put back."""
    eventually(lambda: all(entry["next_run_at"] for entry in listed(stack).values()))
    yield
    for name in listed(stack):
        change(stack, name, is_paused=False, cron=None)


def listed(stack: RunningStack) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in stack.client.get("/schedules").json()}


def change(stack: RunningStack, name: str, **values: Any) -> dict[str, Any]:
    answer = stack.client.patch(f"/schedules/{name}", json=values)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def overheard(stack: RunningStack, *words: str) -> subprocess.CompletedProcess[str]:
    command = [OVERHEARD, "schedules", *words]
    return subprocess.run(command, env={**stack.environment, "COLUMNS": "200"}, capture_output=True, text=True)


def finished_run(stack: RunningStack, name: str) -> dict[str, Any]:
    def newest() -> Any:
        runs = stack.client.get(f"/schedules/{name}").json()["runs"]
        return runs and runs[0]["finished_at"] and runs[0]

    run = eventually(newest)
    assert isinstance(run, dict)
    return run


def test_entries_say_what_they_do_and_when(stack: RunningStack) -> None:
    entries = listed(stack)
    retrain, reaper = entries["weekly-retrain"], entries["reap-lost-jobs"]
    assert (retrain["cron"], retrain["every_s"], retrain["is_paused"]) == ("7 2 * * sun", None, False)
    assert retrain["next_run_at"].endswith("T02:07:00Z")
    assert (reaper["cron"], reaper["every_s"]) == (None, 15)
    assert all(entry["does"] for entry in entries.values())


def test_a_change_is_shown_with_who_made_it_and_can_be_taken_back(stack: RunningStack) -> None:
    changed = change(stack, "weekly-retrain", cron=" 30  1 * * sat ", is_paused=True)
    assert (changed["cron"], changed["is_paused"], changed["next_run_at"]) == ("30 1 * * sat", True, None)
    assert changed["changed_by"] == "admin"
    resumed = change(stack, "weekly-retrain", is_paused=False)
    assert resumed["next_run_at"].endswith("T01:30:00Z")
    assert change(stack, "weekly-retrain", cron=None)["cron"] == "7 2 * * sun"


def test_what_can_not_be_done_is_said(stack: RunningStack) -> None:
    for body in (
        {},
        {"cron": "7 2 * *"},
        {"cron": "7 2 * * 9"},
        {"cron": ""},
        {"is_paused": "perhaps"},
        {"when": "now"},
    ):
        assert stack.client.patch("/schedules/weekly-retrain", json=body).status_code == 422, body
    assert "9 > 6" in stack.client.patch("/schedules/weekly-retrain", json={"cron": "7 2 * * 9"}).json()["detail"]
    for method, path in (("GET", ""), ("PATCH", ""), ("POST", "/runs")):
        answer = stack.client.request(method, f"/schedules/weekly{path}", json={"is_paused": True})
        assert (answer.status_code, "weekly-retrain" in answer.json()["detail"]) == (404, True)


def test_a_cron_says_when_it_would_run(stack: RunningStack) -> None:
    told = stack.client.post("/schedules/previews", json={"cron": " 30 1 * *  sat"}).json()
    assert (told["cron"], told["means"]) == ("30 1 * * sat", "Saturdays at 01:30 UTC")
    assert [at[10:] for at in told["next_runs"]] == ["T01:30:00Z"] * 5
    assert listed(stack)["weekly-retrain"]["means"] == "Sundays at 02:07 UTC"
    assert stack.client.post("/schedules/previews", json={"cron": "7 25 * * *"}).status_code == 422


def test_a_run_by_hand_is_kept_with_its_outcome_and_who_asked(stack: RunningStack) -> None:
    change(stack, "accuracy-check", is_paused=True)
    answer = stack.client.post("/schedules/accuracy-check/runs")
    assert (answer.status_code, answer.json()["job_id"]) == (202, None)
    run = finished_run(stack, "accuracy-check")
    assert (run["due_at"], run["asked_by"]) == (answer.json()["due_at"], "admin")
    assert "too few labels" in run["outcome"]["problem"]
    assert listed(stack)["accuracy-check"]["last_run_at"] == run["began_at"]


def test_a_weekly_training_by_hand_says_what_it_lacks(stack: RunningStack) -> None:
    answer = stack.client.post("/schedules/weekly-retrain/runs")
    assert (answer.status_code, "python -m worker train" in answer.json()["detail"]) == (503, True)
    assert stack.client.get("/schedules/weekly-retrain").json()["runs"] == []


def test_a_viewer_may_look_and_not_touch(stack: RunningStack) -> None:
    secret = stack.client.post("/keys", json={"name": "viewer", "role": "viewer"}).json()["key"]
    with stack.new_client(secret) as viewer:
        for path in ("/schedules", "/schedules/sweep", "/api/v1/dags", TRAINER):
            assert viewer.get(path).status_code == 200, path
        assert viewer.patch("/schedules/sweep", json={"is_paused": True}).status_code == 403
        assert viewer.post("/schedules/sweep/runs").status_code == 403
        assert viewer.patch(TRAINER, json={"is_paused": True}).status_code == 403
        assert viewer.post(f"{TRAINER}/dagRuns", json={}).status_code == 403


def test_airflow_is_told_of_a_dag_as_it_would_tell(stack: RunningStack) -> None:
    page = stack.client.get("/api/v1/dags", params={"limit": 100, "only_active": True}).json()
    assert page["total_entries"] == len(page["dags"]) == 3
    dag = stack.client.get(TRAINER).json()
    assert dag in page["dags"]
    assert dag["schedule_interval"] == {"__type": "CronExpression", "value": "7 2 * * sun"}
    assert (dag["is_paused"], dag["is_active"]) == (False, True)
    paused = stack.client.patch(TRAINER, params={"update_mask": "is_paused"}, json={"is_paused": True}).json()
    assert (paused["is_paused"], paused["next_dagrun"]) == (True, None)
    assert listed(stack)["weekly-retrain"]["is_paused"]


def test_airflow_refuses_as_it_would_refuse(stack: RunningStack) -> None:
    for method, path in (("GET", ""), ("PATCH", ""), ("POST", "/dagRuns")):
        answer = stack.client.request(method, f"/api/v1/dags/nope{path}", json={"is_paused": True})
        assert answer.json()["title"] == "DAG not found"
        assert (answer.status_code, answer.json()["status"]) == (404, 404)
    masked = stack.client.patch(TRAINER, params={"update_mask": "tags"}, json={"is_paused": True})
    assert (masked.status_code, "`is_paused`" in masked.json()["detail"]) == (400, True)
    assert stack.client.patch(TRAINER, json={}).status_code == 422
    with stack.new_client(None) as stranger:
        assert stranger.get("/api/v1/dags").status_code == 401


def test_a_dag_that_is_started_says_what_it_was_told_and_runs_once_at_a_time(stack: RunningStack) -> None:
    worker = stack.program("worker", "io")
    worker.suspend()
    path = "/api/v1/dags/model_perf_tracker/dagRuns"
    try:
        asked = {"dag_run_id": "mine", "conf": {"why": "a test"}, "logical_date": "2026-03-01T02:07:00Z"}
        begun = stack.client.post(path, json=asked)
        assert begun.status_code == 200, begun.text
        again = stack.client.post(path, json={})
    finally:
        worker.resume()
    run = begun.json()
    assert {name: run[name] for name in asked} == asked
    assert (run["dag_id"], run["state"], run["run_type"]) == ("model_perf_tracker", "queued", "manual")
    assert (again.status_code, "runs since" in again.json()["detail"]) == (409, True)
    assert finished_run(stack, "accuracy-check")["asked_by"] == "admin"
    assert stack.client.post(path, json={}).json()["dag_run_id"].startswith("manual__")
    finished_run(stack, "accuracy-check")


def test_the_command_line_shows_and_changes(stack: RunningStack) -> None:
    assert "sweep: every 30 s, paused" in overheard(stack, "pause", "sweep").stdout
    assert "sweep: */5 * * * *, paused" in overheard(stack, "set", "sweep", "*/5 * * * *").stdout
    assert json.loads(overheard(stack, "list", "--json").stdout)[2]["is_paused"]
    refused = overheard(stack, "resume", "nothing")
    assert (refused.returncode, "no schedule 'nothing'" in refused.stderr) == (1, True)
    assert "sweep is begun" in overheard(stack, "run", "sweep").stdout
