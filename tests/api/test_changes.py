"""`/brands/{id}/changes` and `/brands/{id}/drift` on a real stack."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from overheard import demo
from overheard.webhooks import HEADER, sign
from tests.stack import RunningStack, eventually

NOW = datetime.now(UTC)
CALM = [post.text for post in demo.posts() if post.label != "negative"][:120]
ANGRY = [f"I hate this awful broken battery, it caught fire, the worst thing {number}" for number in range(60)]


def push(stack: RunningStack, feed_id: int, texts: list[str], days_ago: float) -> None:
    at = NOW - timedelta(days=days_ago)
    posts = [
        {
            "external_id": f"{days_ago}-{place}",
            "text": text,
            "author": f"{place}",
            "language": "en",
            "posted_at": (at - timedelta(seconds=place)).isoformat(),
        }
        for place, text in enumerate(texts)
    ]
    body = json.dumps({"posts": posts}).encode()
    secret = stack.client.get(f"/feeds/{feed_id}/secret").json()["secret"]
    headers = {HEADER: sign(secret, body, int(time.time())), "Content-Type": "application/json"}
    assert stack.client.post(f"/webhooks/{feed_id}", content=body, headers=headers).status_code == 200


@pytest.fixture(scope="module")
def brand_id(stack: RunningStack) -> Iterator[int]:
    """Calm for days, and then a crisis."""
    made = stack.client.post("/brands", json={"name": "moving", "sources": ["webhook:moving"]}).json()
    (feed,) = stack.client.get(f"/feeds?brand_id={made['id']}").json()["feeds"]
    push(stack, feed["id"], CALM, days_ago=9)
    push(stack, feed["id"], [*CALM, *ANGRY], days_ago=0.1)
    eventually(
        lambda: (
            (changes(stack, made["id"])["after"]["posts"], changes(stack, made["id"])["before"]["posts"]) == (180, 120)
        ),
        60,
    )
    yield made["id"]
    stack.client.delete(f"/brands/{made['id']}")


def changes(stack: RunningStack, brand_id: int, query: str = "") -> dict[str, Any]:
    answer = stack.client.get(f"/brands/{brand_id}/changes{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def counts(found: dict[str, Any]) -> tuple[int, int]:
    return found["before"]["posts"], found["after"]["posts"]


def test_a_crisis_is_explained(stack: RunningStack, brand_id: int) -> None:
    found = changes(stack, brand_id)
    assert (found["class"], found["brand_id"]) == ("negative", brand_id)
    split = found["split"]
    assert split["change"]["value"] == pytest.approx(found["after"]["value"] - found["before"]["value"])
    assert split["mood"]["low"] > 0.1
    assert split["mix"]["value"] == pytest.approx(0)
    assert split["model"]["value"] == 0  # one version read all of it
    assert {"battery", "fire"} & {word["text"] for word in found["words"]}
    shown = stack.client.get(f"/posts/{found['examples'][0]}").json()
    assert shown["text"] in ANGRY
    assert changes(stack, brand_id, "?class=positive")["split"]["change"]["value"] < 0


def test_periods_can_be_named(stack: RunningStack, brand_id: int) -> None:
    since = (NOW - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = changes(stack, brand_id, f"?since={since}")
    assert (found["before"]["posts"], found["split"]) == (0, None)
    assert found["before"]["until"] == found["after"]["since"]
    for query in ("?since=2030-01-01T00:00:00Z", "?class=angry", "?since=yesterday", "?since=2026-01-01T00:00:00"):
        assert stack.client.get(f"/brands/{brand_id}/changes{query}").status_code == 422, query
    assert stack.client.get("/brands/999999/changes").status_code == 404


def test_drift_is_measured_when_it_is_asked_for(stack: RunningStack, brand_id: int) -> None:
    assert stack.client.get(f"/brands/{brand_id}/drift").json() == {"brand_id": brand_id, "weeks": [], "problem": None}
    assert stack.client.post("/schedules/measure-drift/runs").status_code == 202
    outcome = eventually(lambda: stack.client.get("/schedules/measure-drift").json()["runs"][0]["outcome"], 60)
    assert "problem" not in outcome
    found = stack.client.get(f"/brands/{brand_id}/drift?weeks=1").json()
    for week in found["weeks"]:  # none on a Monday: the week before is measured, in which only the calm posts may lie
        assert {"classes", "length", "language", "vocabulary"} >= {one["feature"] for one in week["features"]}
        for one in week["features"]:
            assert one["is_drift"] == (one["js"] > one["limit"])
    assert stack.client.get("/brands/999999/drift").status_code == 404
    assert stack.client.get(f"/brands/{brand_id}/drift?weeks=0").status_code == 422
