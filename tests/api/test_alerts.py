"""`/rules`, `/alerts` and the commands that use them, on a real stack."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from overheard.cli import app
from overheard.store.rules import DEFAULTS
from tests.stack import OVERHEARD, RunningStack, eventually

FAR = "2999-01-01T00:00:00Z"


@pytest.fixture
def rule(stack: RunningStack) -> Iterator[dict[str, Any]]:
    """One of this test's own."""
    made = stack.client.post(
        "/rules", json={"name": "Mine", "kind": "feed", "options": {"sensitivity": "high", "calm_s": 0}}
    )
    assert made.status_code == 201, made.text
    yield made.json()
    stack.client.delete(f"/rules/{made.json()['id']}")


@pytest.fixture
def viewer(stack: RunningStack) -> Iterator[httpx2.Client]:
    secret = stack.client.post("/keys", json={"name": "viewer", "role": "viewer"}).json()["key"]
    with stack.new_client(secret) as client:
        yield client


@pytest.fixture
def brand(stack: RunningStack) -> Iterator[dict[str, Any]]:
    made = stack.client.post("/brands", json={"name": "Watched", "sources": ["webhook:watched"]}).json()
    yield made
    stack.client.delete(f"/brands/{made['id']}")


@pytest.fixture
def alert(stack: RunningStack, rule: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of a feed whose site is not there."""
    made = stack.client.post("/brands", json={"name": "Unheard", "sources": ["rss:http://127.0.0.1:9/feed.xml"]}).json()

    def opened() -> Any:
        found = stack.client.get(f"/alerts?state=open&brand_id={made['id']}").json()["alerts"]
        return [one for one in found if one["rule"] == "Mine"]

    stack.client.post("/schedules/inspect-feeds/runs")
    eventually(lambda: stack.client.get(f"/brands/{made['id']}").json()["feeds"][0]["problem"], 60)
    yield eventually(opened, 90)[0]
    stack.client.delete(f"/brands/{made['id']}")


def said(stack: RunningStack, *words: str) -> str:
    """What a command prints, run in this process: starting one takes longer than most of them do."""
    ran = CliRunner().invoke(app, words, env=stack.environment, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_a_fresh_installation_watches(stack: RunningStack) -> None:
    found = {rule["name"]: rule for rule in stack.client.get("/rules").json()}
    assert DEFAULTS.items() <= {name: rule["kind"] for name, rule in found.items()}.items()
    assert all(found[name]["is_enabled"] for name in DEFAULTS)
    kinds = {kind["kind"]: kind for kind in stack.client.get("/rules/kinds").json()}
    assert kinds["negative_share"]["can_be_rehearsed"]
    assert "min_posts" in kinds["negative_share"]["options"]["properties"]
    assert not kinds["worker"]["is_of_brands"]


def test_a_rule_is_made_changed_snoozed_and_removed(stack: RunningStack, rule: dict[str, Any]) -> None:
    path = f"/rules/{rule['id']}"
    assert (rule["cooldown_s"], rule["quiet"], rule["is_enabled"]) == (600, None, True)
    quiet = {"from": "22:00", "until": "07:00", "tz": "Europe/Berlin"}
    changed = stack.client.patch(path, json={"quiet": quiet, "snoozed_until": FAR, "is_enabled": False}).json()
    assert (changed["quiet"], changed["snoozed_until"], changed["is_enabled"]) == (quiet, FAR, False)
    assert changed["options"] == rule["options"]
    assert stack.client.patch(path, json={"snoozed_until": None}).json()["snoozed_until"] is None
    assert stack.client.get(path).json()["quiet"] == quiet
    assert stack.client.delete(path).status_code == 204
    assert stack.client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "mood"}, "negative_share"),
        ({"name": ""}, "name"),
        ({"options": {"sensitivity": "extreme"}}, "options.sensitivity"),
        ({"options": {"min_posts": 5}}, "options.min_posts"),
        ({"quiet": {"from": "22:00", "until": "07:00", "tz": "Mars"}}, "time zone"),
        ({"brand_id": 1}, "brand_id"),
        ({"cooldown_s": -1}, "cooldown_s"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(stack: RunningStack, change: dict[str, Any], told: str) -> None:
    answer = stack.client.post("/rules", json={"name": "Senseless", "kind": "worker", **change})
    assert answer.status_code == 422, answer.text
    assert told in answer.json()["detail"]


def test_two_rules_of_one_name_are_one_too_many(stack: RunningStack, rule: dict[str, Any]) -> None:
    assert stack.client.post("/rules", json={"name": "Mine", "kind": "queue"}).status_code == 409


def test_a_rule_is_rehearsed_and_says_when_it_can_not_be(stack: RunningStack, brand: dict[str, Any]) -> None:
    body = {"kind": "negative_share", "brand_id": brand["id"]}
    played = stack.client.post("/rules/rehearsals", json=body)
    assert played.status_code == 200, played.text
    assert (played.json()["fired"], played.json()["per_month"]) == ([], 0)
    assert played.json()["unknown_hours"] == played.json()["hours"] == 90 * 24
    refused = stack.client.post("/rules/rehearsals", json={**body, "kind": "worker"})
    assert (refused.status_code, "no history" in refused.json()["detail"]) == (422, True)
    assert stack.client.post("/rules/rehearsals", json={**body, "brand_id": 2**31 - 1}).status_code == 404
    late = datetime.now(UTC) - timedelta(days=400)
    assert stack.client.post("/rules/rehearsals", json={**body, "since": late.isoformat()}).status_code == 422
    assert "0 alerts in 30 days" in said(
        stack, "rules", "rehearse", "volume_spike", "--brand", "Watched", "--days", "30"
    )


def test_a_viewer_may_look_and_not_touch(viewer: httpx2.Client, rule: dict[str, Any], brand: dict[str, Any]) -> None:
    for path in ("/rules", "/rules/kinds", f"/rules/{rule['id']}", "/alerts"):
        assert viewer.get(path).status_code == 200, path
    body = {"kind": "volume_spike", "brand_id": brand["id"]}
    assert viewer.post("/rules/rehearsals", json=body).status_code == 200
    assert viewer.post("/rules", json={"name": "Not mine", "kind": "queue"}).status_code == 403
    assert viewer.patch(f"/rules/{rule['id']}", json={"is_enabled": False}).status_code == 403
    assert viewer.delete(f"/rules/{rule['id']}").status_code == 403
    assert viewer.post("/alerts/1/acknowledge").status_code == 403
    assert viewer.post("/alerts/1/snooze", json={"hours": 1}).status_code == 403


def test_an_alert_says_what_is_known_and_is_acknowledged_and_snoozed(
    stack: RunningStack, alert: dict[str, Any], viewer: httpx2.Client
) -> None:
    assert alert["title"] == "Feed rss:http://127.0.0.1:9/feed.xml of Unheard fails"
    assert "silence is not calm" in alert["said"]
    assert (alert["kind"], alert["resolved_at"], alert["acknowledged_by"]) == ("feed", None, None)
    path = f"/alerts/{alert['id']}"
    assert stack.client.post(f"{path}/acknowledge").json()["acknowledged_by"] == "admin"
    assert stack.client.post(f"{path}/snooze", json={"until": FAR}).json()["snoozed_until"] == FAR
    soon = datetime.fromisoformat(stack.client.post(f"{path}/snooze", json={"hours": 2}).json()["snoozed_until"])
    assert timedelta(hours=1.9) < soon - datetime.now(UTC) < timedelta(hours=2.1)
    for body in ({}, {"hours": 0}, {"hours": 1, "until": FAR}):
        assert stack.client.post(f"{path}/snooze", json=body).status_code == 422, body
    assert viewer.get(path).json()["acknowledged_by"] == "admin"
    assert stack.client.get("/alerts/999999").status_code == 404
    assert stack.metrics_like('overheard_open_alerts{kind="feed"}') >= 1
    assert stack.metric("overheard_alerts_look_age_seconds") < 300
    shown = said(stack, "alerts", "show", str(alert["id"]))
    assert alert["title"] in shown
    assert "Unheard" in said(stack, "alerts", "list", "--brand", "Unheard")
    assert "acknowledged" in said(stack, "alerts", "acknowledge", str(alert["id"]))
    assert "snoozed until" in said(stack, "alerts", "snooze", str(alert["id"]), "--hours", "1")


def test_the_command_line_makes_shows_and_removes_rules(stack: RunningStack, brand: dict[str, Any]) -> None:
    options = ("-o", "sensitivity=high", "-o", "min_posts=50", "--quiet", "22:00-07:00@Europe/Berlin")
    assert "is watched" in said(stack, "rules", "add", "volume_spike", "--name", "Loud", "--brand", "Watched", *options)
    (made,) = [rule for rule in stack.client.get("/rules").json() if rule["name"] == "Loud"]
    assert (made["brand_id"], made["options"]) == (brand["id"], {"sensitivity": "high", "min_posts": 50})
    assert "22:00-07:00@Europe/Berlin" in said(stack, "rules", "list")
    assert "Loud is disabled" in said(stack, "rules", "disable", "Loud")
    assert "Loud is watched" in said(stack, "rules", "enable", str(made["id"]))
    assert "negative_share" in said(stack, "rules", "kinds")
    assert "removed" in said(stack, "rules", "remove", "Loud")
    command = [OVERHEARD, "rules", "enable", "Loud"]
    refused = subprocess.run(command, env=stack.environment, capture_output=True, text=True)
    assert (refused.returncode, "no rule 'Loud'" in refused.stderr) == (1, True)
