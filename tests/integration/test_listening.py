"""What a newcomer does: a brand, a site's feed, a file, a recorded stream; and what becomes of it on a real stack."""

import json
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.stack import OVERHEARD, RunningStack, eventually

pytestmark = pytest.mark.slow
NOW = datetime.now(UTC)
FEED = """<?xml version="1.0"?><rss version="2.0"><channel><title>News</title><link>http://news.example</link>
<item><guid isPermaLink="false">n1</guid><title>Brightwell wins a prize for its wonderful lamp</title></item>
<item><guid isPermaLink="false">n2</guid><title>Something else happened elsewhere</title></item>
</channel></rss>"""
POSTS = """id,text,created_at,author
1,My Brightwell lamp is awful and it broke after a day,2026-11-23T09:00:00Z,ann
2,Love my Brightwell!,2026-11-23T10:00:00Z,bob
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "feed.xml").write_text(FEED)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/feed.xml"
    server.shutdown()
    server.server_close()


def overheard(stack: RunningStack, *words: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [OVERHEARD, *words], env=stack.environment, capture_output=True, text=True, cwd=cwd, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def posts(stack: RunningStack, brand: str) -> list[dict[str, Any]]:
    (found,) = stack.client.get(f"/brands?name={brand}").json()["brands"]
    return list(stack.client.get(f"/posts?brand_id={found['id']}&limit=200").json()["posts"])


def test_a_newcomer_sees_posts_of_a_feed_and_a_file_scored_within_a_minute(
    stack: RunningStack, site: str, tmp_path: Path
) -> None:
    (tmp_path / "posts.csv").write_text(POSTS)
    sources = ("--source", f"rss:{site}", "--source", "file:posts.csv")
    overheard(stack, "brands", "add", "Brightwell", *sources, cwd=tmp_path)

    def are_scored() -> bool:
        found = posts(stack, "Brightwell")
        return len(found) == 3 and all(post["score"] for post in found)

    eventually(are_scored, 60)
    said = {post["source"]: post["score"]["sentiment"] for post in posts(stack, "Brightwell")}
    assert said["rss"] == "positive"
    assert [post["author"] for post in posts(stack, "Brightwell") if post["source"] == "file"] != ["bob", "ann"]
    assert "Brightwell" in overheard(stack, "feeds", "list")
    feeds = json.loads(overheard(stack, "feeds", "list", "--brand", "Brightwell", "--json"))
    assert {feed["state"] for feed in feeds} == {"ok"}


def test_a_recorded_stream_is_stored_once_scored_once_and_counted(stack: RunningStack, tmp_path: Path) -> None:
    """Rows of one id on two topics are one post with two mentions; the second replay changes nothing."""
    rows = [
        {
            "id": number % 600,
            "topic": f"topic {number // 600} {number % 3}",
            "text": f"post number {number % 600} is fine",
            "created_at": (NOW - timedelta(hours=number % 50)).isoformat(),
        }
        for number in range(900)
    ]
    stream = tmp_path / "stream.jsonl"
    stream.write_text("\n".join(map(json.dumps, rows)))
    told = overheard(stack, "replay", str(stream), "--brand-column", "topic")
    assert "900 rows sent: 600 new posts, 900 new mentions" in told
    assert "0 new posts, 0 new mentions" in overheard(stack, "replay", str(stream), "--brand-column", "topic")
    names = {f"topic {part} {number}" for part in range(2) for number in range(3)}
    brands = {brand["name"]: brand["id"] for brand in stack.client.get("/brands?limit=200").json()["brands"]}
    assert names <= brands.keys()

    def count(field: str) -> int:
        answers = [stack.client.get(f"/brands/{brands[name]}/sentiment") for name in names]
        return sum(point[field] for answer in answers for point in answer.json()["points"])

    eventually(lambda: count("scored") == 900, 120)
    assert count("posts") == 900


def test_a_recorded_stream_can_be_played_at_a_speed_and_dated_now(stack: RunningStack, tmp_path: Path) -> None:
    times = [NOW - timedelta(days=3000) + timedelta(minutes=place) for place in range(3)]
    lines = [f"{at.isoformat()},it is fine {place}" for place, at in enumerate(times)]
    stream = tmp_path / "stream.csv"
    stream.write_text("\n".join(["created_at,text", *lines]))
    before = datetime.now(UTC)
    overheard(stack, "replay", str(stream), "--brand", "Player", "--speed", "60x", "--now")
    assert datetime.now(UTC) - before > timedelta(seconds=2)
    dates = [datetime.fromisoformat(post["posted_at"]) for post in posts(stack, "Player")]
    assert len(dates) == 3
    assert min(dates) >= before
