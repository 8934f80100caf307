"""Who may do what, what is open to all, and what programs and people find there."""

import json
import subprocess
import time

import httpx2
import pytest

from overheard import demo
from tests.stack import OVERHEARD, RunningStack

KEYED = ["/jobs", "/metrics", "/openapi/swagger", "/openapi/openapi.json", "/keys", "/nowhere"]


@pytest.mark.parametrize("path", KEYED)
def test_without_a_key_every_door_but_health_is_closed(stack: RunningStack, path: str) -> None:
    with stack.new_client(None) as stranger:
        answer = stranger.get(path)
    assert answer.status_code == 401
    assert [challenge.split()[0] for challenge in answer.headers.get_list("WWW-Authenticate")] == ["Basic", "Bearer"]
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_wrong_key_is_refused(stack: RunningStack) -> None:
    for key in ("wrong", stack.key + "x", stack.key.swapcase(), "ключ"):
        answer = httpx2.get(f"{stack.url}/jobs", headers={"Authorization": f"Bearer {key}".encode()}, trust_env=False)
        assert answer.status_code == 401


def test_the_key_also_opens_as_a_password(stack: RunningStack) -> None:
    assert httpx2.get(f"{stack.url}/jobs", auth=("anybody", stack.key), trust_env=False).status_code == 200


def test_each_role_may_do_what_it_says_and_no_more(stack: RunningStack) -> None:
    job_id = stack.infer(["x"], headers={"Prefer": "respond-async"}).json()["job_id"]
    allowed = {}
    for role in ("viewer", "labeller", "operator", "admin"):
        made = stack.client.post("/keys", json={"name": f"a {role}", "role": role})
        assert made.status_code == 201
        with stack.new_client(made.json()["key"]) as client:
            answers = {
                "look": client.get("/jobs"),
                "score": client.post("/inference", json={"messages": ["x"]}),
                "retry": client.post(f"/jobs/{job_id}/retry"),
                "keys": client.get("/keys"),
            }
        allowed[role] = [name for name, answer in answers.items() if answer.status_code != 403]
    assert allowed == {
        "viewer": ["look", "score"],
        "labeller": ["look", "score"],
        "operator": ["look", "score", "retry"],
        "admin": ["look", "score", "retry", "keys"],
    }


def test_a_revoked_key_opens_nothing(stack: RunningStack) -> None:
    made = stack.client.post("/keys", json={"name": "short", "role": "viewer"}).json()
    assert made["id"] in [key["id"] for key in stack.client.get("/keys").json()]
    assert made["key"] not in stack.client.get("/keys").text
    assert stack.client.delete(f"/keys/{made['id']}").status_code == 204
    with stack.new_client(made["key"]) as client:
        assert client.get("/jobs").status_code == 401
    assert stack.client.delete("/keys/unknown").status_code == 404


def test_a_rotated_key_opens_by_its_new_secret_at_once(stack: RunningStack) -> None:
    made = stack.client.post("/keys", json={"name": "turned", "role": "viewer"}).json()
    kept = stack.client.post(f"/keys/{made['id']}/rotate").json()
    assert kept["old_until"] is not None
    gone = stack.client.post(f"/keys/{made['id']}/rotate", json={"grace_s": 0}).json()
    assert (gone["id"], gone["old_until"]) == (made["id"], None)
    opens = []
    for key in (made, kept, gone):
        with stack.new_client(key["key"]) as client:
            opens.append(client.get("/jobs").status_code)
    assert opens == [401, 401, 200]
    assert stack.client.post(f"/keys/{made['id']}/rotate", json={"grace_s": -1}).status_code == 422
    assert stack.client.post("/keys/unknown/rotate").status_code == 404


def test_the_last_use_of_a_key_is_told_once_a_minute_at_most(stack: RunningStack) -> None:
    made = stack.client.post("/keys", json={"name": "seldom", "role": "viewer"}).json()
    told = [_last_use(stack, made["id"])]
    with stack.new_client(made["key"]) as client:
        for _ in range(2):
            client.get("/jobs")
            told.append(_last_use(stack, made["id"]))
    assert told[0] is None
    assert told[1] == told[2] is not None


def _last_use(stack: RunningStack, key_id: str) -> str | None:
    (found,) = [key for key in stack.client.get("/keys").json() if key["id"] == key_id]
    return found["last_used_at"]


def test_keys_are_made_rotated_and_revoked_on_the_command_line(stack: RunningStack) -> None:
    def keys(*words: str) -> str:
        run = subprocess.run([OVERHEARD, "keys", *words], env=stack.environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return run.stdout

    made = keys("make", "nightly report", "--role", "viewer")
    key_id = made.split()[0]
    assert "nightly report" in keys("list")
    assert made.split()[-4] not in keys("list", "--json")
    turned = keys("rotate", key_id, "--grace", "0")
    assert turned.splitlines()[-1] == "the old secret is void"
    with stack.new_client(turned.splitlines()[1].split()[0]) as client:
        assert client.get("/jobs").status_code == 200
        keys("revoke", key_id)
        assert client.get("/jobs").status_code == 401


def test_another_sites_page_can_not_use_a_remembered_password(stack: RunningStack) -> None:
    answer = stack.infer(["x"], headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


def test_health_is_open_and_names_the_model(stack: RunningStack) -> None:
    with stack.new_client(None) as stranger:
        assert stranger.get("/health/live").status_code == 200
        ready = stranger.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["checks"] == {"database": "ok", "redis": "ok", "worker": "ok"}
    assert ready.json()["models"] == [stack.infer(["x"]).headers["Overheard-Model"]]


def test_metrics_count_messages_requests_and_workers(stack: RunningStack) -> None:
    before = stack.metric("overheard_messages_total")
    stack.infer(["a", "b", "c"])
    assert stack.metric("overheard_messages_total") == before + 3
    text = stack.client.get("/metrics").text
    assert 'overheard_http_request_seconds_count{method="POST",route="/inference",status="200"}' in text
    assert "overheard_worker_heartbeat_age_seconds{" in text
    assert 'overheard_queue_messages{queue="scoring"}' in text


def test_the_documentation_needs_no_other_server(stack: RunningStack) -> None:
    page = stack.client.get("/openapi/swagger")
    assert page.status_code == 200
    assert "https://" not in page.text.replace("http://www.w3.org", "")
    spec = stack.client.get("/openapi/openapi.json").json()
    assert {"/inference", "/jobs", "/jobs/{job_id}", "/jobs/{job_id}/events", "/health/ready", "/metrics"} <= set(
        spec["paths"]
    )
    assert set(spec["paths"]["/inference"]) == {"post", "patch"}


def test_an_unknown_path_and_a_wrong_method_are_problems_too(stack: RunningStack) -> None:
    unknown, wrong = stack.client.get("/nowhere"), stack.client.put("/inference", json={})
    assert (unknown.status_code, wrong.status_code) == (404, 405)
    assert "POST" in wrong.headers["Allow"]
    assert {a.headers["Content-Type"] for a in (unknown, wrong)} == {"application/problem+json"}


def test_flower_shows_workers_and_tasks_but_never_a_text(stack: RunningStack) -> None:
    texts = [post.text for post in demo.posts()]
    stack.infer(texts[:3])
    job_id = stack.infer(texts, headers={"Prefer": "respond-async"}).json()["job_id"]
    flower = f"http://127.0.0.1:{stack.flower_port}"
    assert httpx2.get(f"{flower}/api/tasks", trust_env=False).status_code == 401
    with httpx2.Client(base_url=flower, auth=("admin", stack.key), trust_env=False) as client:
        deadline = time.monotonic() + 20
        while job_id not in (tasks := client.get("/api/tasks").json()) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert tasks[job_id]["name"] == "score.job"
        pages = [client.get(path).text for path in ("/api/tasks", "/api/workers", f"/task/{job_id}", "/tasks")]
    assert "[3 messages]" in pages[0]
    assert not [text for text in texts for page in pages if text in page or json.dumps(text)[1:-1] in page]
