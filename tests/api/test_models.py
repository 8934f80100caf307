"""`/models` and `/train` on a real stack in which nobody can train."""

import json
import subprocess

from tests.stack import OVERHEARD, RunningStack, eventually


def overheard(stack: RunningStack, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([OVERHEARD, *words], env=stack.environment, capture_output=True, text=True)


def test_the_first_model_is_known_as_soon_as_it_serves(stack: RunningStack) -> None:
    page = eventually(lambda: (answer := stack.client.get("/models").json())["serving"] and answer)
    (model,) = [model for model in page["models"] if model["alias"] == "champion"]
    assert list(page["serving"]) == [model["version"]]
    assert page["champion"] is None  # nobody chose it
    shown = stack.client.get(f"/models/{model['version']}").json()
    assert shown["facts"]["metrics"]["test"]["macro_recall"] > 0.7


def test_what_can_not_serve_is_said(stack: RunningStack) -> None:
    version = stack.client.get("/models").json()["models"][0]["version"]
    serves = stack.client.post(f"/models/{version}/promote", json={})
    assert (serves.status_code, "serves already" in serves.json()["detail"]) == (409, True)
    assert stack.client.post("/models/0123456789ab/promote", json={}).status_code == 404
    assert stack.client.post("/models/rollback", json={}).status_code == 409
    assert stack.client.get("/models/0123456789ab").status_code == 404


def test_a_body_may_be_left_out(stack: RunningStack) -> None:
    assert stack.client.post("/models/rollback").status_code == 409
    assert stack.client.post("/train/start").status_code == 503


def test_without_a_training_worker_the_answer_says_what_to_do(stack: RunningStack) -> None:
    answer = stack.client.post("/train/start", json={"epochs": 1})
    assert answer.status_code == 503
    assert "python -m worker train" in answer.json()["detail"]
    assert answer.headers["Retry-After"]


def test_before_any_training_its_state_is_a_message(stack: RunningStack) -> None:
    for ask in (stack.client.get, stack.client.post):
        assert ask("/train/get_state").json() == {"message": "No training instance running!"}


def test_options_of_a_training_are_checked(stack: RunningStack) -> None:
    for body in ({"epochs": 0}, {"epochs": "many"}, {"date": "today"}, {"data": ""}):
        assert stack.client.post("/train/start", json=body).status_code == 422, body


def test_a_viewer_may_look_and_not_touch(stack: RunningStack) -> None:
    secret = stack.client.post("/keys", json={"name": "viewer", "role": "viewer"}).json()["key"]
    with stack.new_client(secret) as viewer:
        assert viewer.get("/models").status_code == 200
        assert viewer.get("/train/get_state").status_code == 200
        assert viewer.post("/train/start", json={}).status_code == 403
        assert viewer.post("/models/rollback", json={}).status_code == 403


def test_the_command_line_lists_and_shows(stack: RunningStack) -> None:
    listed = json.loads(overheard(stack, "models", "list", "--json").stdout)
    version = listed["models"][0]["version"]
    assert version in overheard(stack, "models", "list").stdout
    assert json.loads(overheard(stack, "models", "show", version).stdout)["version"] == version
    refused = overheard(stack, "models", "rollback")
    assert (refused.returncode, "nothing was promoted yet" in refused.stderr) == (1, True)
