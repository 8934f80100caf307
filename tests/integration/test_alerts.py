"""What alerts are for, on a real stack: a crisis, a feed that fails, a Beat that is silent."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from overheard.calls import Calls
from overheard.replay import Recorded, replay
from tests.stack import RunningStack, eventually

pytestmark = pytest.mark.slow
FEED = b'<?xml version="1.0"?><rss version="2.0"><channel><title>News</title><link>http://news.example</link></channel></rss>'
CALM = (
    "I love my {brand} lamp, it is wonderful",
    "Great light from {brand}, very happy with it",
    "The {brand} lamp is on my desk now",
    "Thank you {brand}, best service ever",
    "The parcel from {brand} was late again, so annoying",
)
CRISIS = (
    "My {brand} lamp's battery caught fire, this is horrible and dangerous",
    "The battery of the {brand} lamp burned my desk, I am so angry",
    "Terrible: another {brand} battery fire, recall this awful lamp",
)


class Site(ThreadingHTTPServer):
    """A feed that can be made to fail."""

    is_down = False

    def __init__(self) -> None:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(500 if site.is_down else 200)
                self.end_headers()
                self.wfile.write(b"" if site.is_down else FEED)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def source(self) -> str:
        return f"rss:http://127.0.0.1:{self.server_port}/feed.xml"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Looks every second at the installation, and every four at brands."""
    home = tmp_path_factory.mktemp("alerts") / "home"
    with RunningStack(home, watch_every_s=1) as running:
        for rule in running.client.get("/rules").json():
            running.client.patch(f"/rules/{rule['id']}", json={"is_enabled": False})
        yield running


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    yield server
    server.shutdown()
    server.server_close()


def watch(stack: RunningStack, kind: str, name: str, **options: Any) -> None:
    made = stack.client.post("/rules", json={"name": name, "kind": kind, "options": {"calm_s": 3, **options}})
    assert made.status_code == 201, made.text


def say(stack: RunningStack, brand: str, texts: tuple[str, ...], times: list[datetime]) -> None:
    """Replayed as a recording would be; waits until all of it is scored and counted."""
    posts = [
        Recorded(
            at,
            {
                "external_id": f"{brand} {len(times)} {place} {at.timestamp()}",
                "text": f"{texts[place % len(texts)].format(brand=brand)} {place}",
                "posted_at": at.isoformat(),
                "brands": [brand],
            },
        )
        for place, at in enumerate(times)
    ]
    before = counted(stack, brand)
    with Calls(stack.url, stack.key) as api:
        replay(api, posts, speed=None, now=False, told=lambda _: None)
    eventually(lambda: counted(stack, brand) == before + len(posts), 120)


def counted(stack: RunningStack, brand: str) -> int:
    """Scored posts that were counted."""
    points = (
        stack.client.get(f"/brands/{brand_id(stack, brand)}/sentiment").json()["points"]
        if brand_id(stack, brand)
        else []
    )
    return sum(point["scored"] for point in points)


def brand_id(stack: RunningStack, brand: str) -> int | None:
    found = stack.client.get(f"/brands?name={brand}").json()["brands"]
    return int(found[0]["id"]) if found else None


def alerts(stack: RunningStack, rule: str) -> list[dict[str, Any]]:
    return [one for one in stack.client.get("/alerts?limit=200").json()["alerts"] if one["rule"] == rule]


def is_over(stack: RunningStack, rule: str) -> bool:
    return all(one["resolved_at"] for one in alerts(stack, rule))


def calm_weeks(now: datetime) -> list[datetime]:
    return [now - timedelta(days=14) + timedelta(minutes=25 * place) for place in range(14 * 24 * 60 // 25 - 6)]


def look_some_times(stack: RunningStack) -> None:
    """At least twice at brands from now on."""
    began = datetime.now(UTC)
    eventually(lambda: datetime.now(UTC) - began > timedelta(seconds=12), 30)


def test_a_crisis_fires_once_names_its_words_and_resolves(watched: RunningStack) -> None:
    now = datetime.now(UTC)
    say(watched, "Brightwell", CALM, calm_weeks(now))
    watch(watched, "negative_share", "mood", min_posts=20)
    look_some_times(watched)
    assert alerts(watched, "mood") == []

    say(watched, "Brightwell", CRISIS, [now - timedelta(seconds=place) for place in range(60)])
    (alert,) = eventually(lambda: alerts(watched, "mood"), 60)
    assert alert["brand_id"] == brand_id(watched, "Brightwell")
    assert any("battery" in word for word in alert["words"])
    assert not any("annoying" in word for word in alert["words"])
    texts = [watched.client.get(f"/posts/{post_id}").json()["text"] for post_id in alert["post_ids"]]
    assert texts
    assert all("battery" in text for text in texts)
    look_some_times(watched)
    assert len(alerts(watched, "mood")) == 1

    played = watched.client.post(
        "/rules/rehearsals",
        json={
            "kind": "negative_share",
            "brand_id": alert["brand_id"],
            "options": {"min_posts": 20},
            "until": (now + timedelta(hours=1)).isoformat(),
        },
    ).json()
    assert len(played["fired"]) == 1

    say(watched, "Brightwell", CALM[:4], [now + timedelta(milliseconds=place) for place in range(500)])
    eventually(lambda: is_over(watched, "mood"), 60)
    assert len(alerts(watched, "mood")) == 1


def test_a_feed_that_fails_is_told_and_nothing_is_called_calm_meanwhile(watched: RunningStack, site: Site) -> None:
    now = datetime.now(UTC)
    made = watched.client.post("/brands", json={"name": "Lumen", "sources": [site.source]}).json()
    (feed,) = made["feeds"]
    assert watched.client.patch(f"/feeds/{feed['id']}", json={"every_s": 10}).status_code == 200
    watch(watched, "feed", "unheard", sensitivity="high")
    watch(watched, "negative_share", "mood of Lumen", min_posts=20)
    say(watched, "Lumen", CALM, calm_weeks(now))
    say(watched, "Lumen", CRISIS, [now - timedelta(seconds=place) for place in range(60)])
    eventually(lambda: alerts(watched, "mood of Lumen"), 60)
    eventually(lambda: watched.client.get(f"/feeds/{feed['id']}").json()["state"] == "ok", 60)
    assert alerts(watched, "unheard") == []

    site.is_down = True
    watched.client.post(f"/feeds/{feed['id']}/inspections")
    (alert,) = eventually(lambda: alerts(watched, "unheard"), 60)
    assert alert["title"].endswith("of Lumen fails")
    say(watched, "Lumen", CALM[:4], [now + timedelta(milliseconds=place) for place in range(500)])
    look_some_times(watched)
    assert not is_over(watched, "mood of Lumen"), "unknown is not calm"
    assert not is_over(watched, "unheard")

    site.is_down = False
    watched.client.post(f"/feeds/{feed['id']}/inspections")
    eventually(lambda: is_over(watched, "unheard"), 60)
    eventually(lambda: is_over(watched, "mood of Lumen"), 60)
    assert (len(alerts(watched, "unheard")), len(alerts(watched, "mood of Lumen"))) == (1, 1)


def test_when_beat_hangs_the_api_tells(watched: RunningStack) -> None:
    watch(watched, "worker", "missing", sensitivity="high")
    beat = watched.program("worker", "beat")
    beat.suspend()
    try:
        alert = eventually(lambda: alerts(watched, "missing"), 120)[0]
        assert alert["title"] == "Beat is silent"
        assert "python -m worker beat" in alert["advice"]
        assert watched.metric("overheard_alerts_look_age_seconds") < 30
    finally:
        beat.resume()
    eventually(lambda: is_over(watched, "missing"), 60)
    assert [one["title"] for one in alerts(watched, "missing")] == ["Beat is silent"]
