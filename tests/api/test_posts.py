"""From a signed push to scores, series and erasure, on a real stack."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from overheard.webhooks import HEADER, sign
from tests.stack import RunningStack, eventually

HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)
TEXTS = {"p1": "I love the new Zephyr, it is wonderful", "p2": "The Zephyr is awful and it broke", "p3": "A Zephyr, ok"}


class Heard:
    """A brand, and a webhook through which posts on it come."""

    def __init__(self, stack: RunningStack, name: str) -> None:
        self.stack = stack
        made = stack.client.post("/brands", json={"name": name, "sources": [f"webhook:{name}"]})
        assert made.status_code == 201, made.text
        self.brand_id = made.json()["id"]
        (feed,) = stack.client.get(f"/feeds?brand_id={self.brand_id}").json()["feeds"]
        self.feed_id = feed["id"]
        self.secret = stack.client.get(f"/feeds/{self.feed_id}/secret").json()["secret"]

    def close(self) -> None:
        self.stack.client.delete(f"/brands/{self.brand_id}")

    def push(self, *posts: dict[str, Any]) -> dict[str, int]:
        body = json.dumps({"posts": posts}).encode()
        headers = {HEADER: sign(self.secret, body, int(time.time())), "Content-Type": "application/json"}
        answer = self.stack.client.post(f"/webhooks/{self.feed_id}", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def posts(self, query: str = "") -> list[dict[str, Any]]:
        answer = self.stack.client.get(f"/posts?brand_id={self.brand_id}{query}")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["posts"])

    def are_scored(self) -> bool:
        return all(post["score"] for post in self.posts())

    def sentiment(self, query: str = "") -> list[dict[str, Any]]:
        answer = self.stack.client.get(f"/brands/{self.brand_id}/sentiment?{query}")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["points"])


def post(post_id: str, author: str = "ann") -> dict[str, Any]:
    at = HOUR_AGO + timedelta(seconds=int(post_id[1:]))
    return {"external_id": post_id, "text": TEXTS[post_id], "posted_at": at.isoformat(), "author": author, "reach": 4}


@pytest.fixture(scope="module")
def zephyr(stack: RunningStack) -> Iterator[Heard]:
    heard = Heard(stack, "zephyr")
    assert heard.push(post("p1"), post("p2"), post("p3", "bob")) == {"new": 3, "known": 0, "mentions": 3}
    eventually(heard.are_scored, 20)
    yield heard
    heard.close()


def test_what_is_pushed_is_scored_and_listed_newest_first(zephyr: Heard) -> None:
    posts = zephyr.posts()
    assert [one["text"] for one in posts] == [TEXTS["p3"], TEXTS["p2"], TEXTS["p1"]]
    assert [posts[place]["score"]["sentiment"] for place in (1, 2)] == ["negative", "positive"]
    assert posts[0]["brands"] == [{"id": zephyr.brand_id, "name": "zephyr"}]
    assert posts[0]["author"] not in ("", "bob")
    assert posts[1]["author"] == posts[2]["author"]
    assert [one["text"] for one in zephyr.posts("&sentiment=negative")] == [TEXTS["p2"]]
    assert zephyr.posts(f"&until={HOUR_AGO:%Y-%m-%dT%H:%M:%SZ}") == []
    shown = zephyr.stack.client.get(f"/posts/{posts[0]['id']}").json()
    assert shown == posts[0]


def test_pages_lead_through_all_posts(zephyr: Heard) -> None:
    first = zephyr.stack.client.get(f"/posts?brand_id={zephyr.brand_id}&limit=2").json()
    cursor = first["next_cursor"]
    second = zephyr.stack.client.get(f"/posts?brand_id={zephyr.brand_id}&limit=2&cursor={cursor}").json()
    assert second["next_cursor"] is None
    assert first["posts"] + second["posts"] == zephyr.posts()


def test_the_series_counts_them(zephyr: Heard) -> None:
    def counted() -> bool:
        return sum(point["scored"] for point in zephyr.sentiment()) == 3

    eventually(counted, 20)
    days = [point for point in zephyr.sentiment("tz=Asia/Tokyo") if point["posts"]]
    assert sum(day["called"]["negative"] for day in days) >= 1
    assert sum(day["reach"] for day in days) == 12
    assert all(day["is_complete"] for day in days)
    hours = zephyr.sentiment(f"step=hour&since={HOUR_AGO - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}")
    assert sum(hour["posts"] for hour in hours) == 3


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("tz=Mars/Base", "time zone"),
        ("step=minute", "step"),
        ("since=2026-01-01T00:00:00", "timezone"),
        ("since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z", "before until"),
        ("step=hour&since=1970-01-01T00:00:00Z", "longer steps"),
    ],
)
def test_a_series_that_makes_no_sense_is_refused(zephyr: Heard, query: str, reason: str) -> None:
    answer = zephyr.stack.client.get(f"/brands/{zephyr.brand_id}/sentiment?{query}")
    assert answer.status_code == 422
    assert reason in answer.text


def test_a_brand_that_is_not_there_is_404(stack: RunningStack) -> None:
    assert stack.client.get("/brands/999999/sentiment").status_code == 404
    assert stack.client.get("/posts/999999").status_code == 404


def test_erasing_an_author_takes_posts_labels_and_counts_and_nothing_comes_back(stack: RunningStack) -> None:
    heard = Heard(stack, "erasable")
    heard.push(post("p1"), post("p2"), post("p3", "bob"))
    label = {"labels": [{"text": TEXTS["p1"], "label": "positive"}]}
    assert stack.client.post("/labels", json=label).status_code == 200
    erased = stack.client.delete("/authors/webhook/ann").json()
    assert erased["labels"] == 1
    assert erased["posts"] >= 2  # other tests' ann, too
    assert erased["models"] == []
    assert [one["text"] for one in heard.posts()] == [TEXTS["p3"]]
    assert heard.push(post("p1")) == {"new": 0, "known": 0, "mentions": 0}
    (left,) = heard.posts()
    assert stack.client.delete(f"/posts/{left['id']}").json()["posts"] == 1
    assert stack.client.delete(f"/posts/{left['id']}").status_code == 404

    def is_silent() -> bool:
        return sum(point["posts"] for point in heard.sentiment()) == 0

    eventually(is_silent, 20)
    heard.close()


def test_rescoring_asks_only_for_what_the_model_in_service_has_not_read(stack: RunningStack) -> None:
    heard = Heard(stack, "rescored")
    heard.push({**post("p3"), "external_id": "p9"})
    eventually(heard.are_scored, 20)
    answer = stack.client.post("/posts/rescoring", json={"days": 1})
    assert answer.status_code == 202
    assert answer.json()["posts"] == 0
    assert answer.json()["model"] == heard.posts()[0]["score"]["model"]
    heard.close()


def test_metrics_tell_of_feeds_and_reads(zephyr: Heard) -> None:
    assert zephyr.stack.metrics_like('overheard_feeds{source="webhook"') >= 1
    assert zephyr.stack.metric("overheard_reads_budget") == 10_000
    assert zephyr.stack.metric("overheard_reads_forecast") == 0
