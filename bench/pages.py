"""How long the server takes for each page of the dashboard when a million posts are kept, and 100,000 jobs.

    python -m bench.pages --data stream.parquet --docs docs/dashboard.md

Posts are stored, scored and counted as `bench.ingest` does. Times are of this process' CPU, the least of several
requests, without a network; cold: no estimate was made before.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from flask.testing import FlaskClient
from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import insert, select

from api.app import create_app
from bench import docs
from bench.ingest import fill
from bench.machine import machine
from bench.sentiment import KEY, took_ms
from bench.texts import read
from overheard.settings import Settings
from overheard.store.database import Database, migrate
from overheard.store.tables.heard import Post
from overheard.store.tables.work import Job
from tests.redis_server import redis_server

JOBS: Final = 100_000
KINDS: Final = ("score", "score", "score", "batch", "training")


def main() -> None:
    options, load = _options(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="overheard-bench-") as folder, redis_server(Path(folder)) as redis_url:
        os.environ |= {"OVERHEARD_HOME": folder, "OVERHEARD_REDIS_URL": redis_url}  # noqa: TID251 - the schedules are those of a process with these
        settings = Settings.load().model_copy(update={"api_key": SecretStr(KEY)})
        migrate(settings.sql_url)
        database, drawn = Database(settings.sql_url), read(options.data, options.text_column, 0)
        brand_id, _ = fill(database, drawn.draw(0, len(drawn)), options.posts)
        urls = {**_urls(brand_id, _a_word(database)), f"Jobs, {JOBS:,} of them": "/app/jobs", **_jobs(database)}
        database.engine.dispose()
        lines = "\n".join(_table(create_app(settings).test_client(), urls, options.posts, machine(load)))
    Console(highlight=False).print(lines, markup=False, soft_wrap=True)
    if options.docs:
        docs.fill(options.docs, "pages", lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="CSV, JSONL or Parquet; without it the demo posts are used")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--posts", type=int, default=1_000_000)
    parser.add_argument("--docs", type=Path, help="page to put the figures into")
    return parser.parse_args()


def _a_word(database: Database) -> str:
    with database.read() as session:
        text = session.scalar(select(Post.text).limit(1)) or ""
    return max(text.split(), key=len)


def _urls(brand_id: int, word: str) -> dict[str, str]:
    posts = f"/app/posts?brand={brand_id}"
    return {
        **{f"Overview, {days} days": f"/?brand={brand_id}&period={days}" for days in (7, 30, 90, 365)},
        "why it changed": f"/app/overview/why?brand={brand_id}&period=30",
        "Posts": posts,
        **{f"Posts, {order} first": f"{posts}&order={order}" for order in ("reach", "uncertainty", "negativity")},
        "Posts, searched": f"{posts}&q={word}",
        "Label": f"/app/label?brand={brand_id}",
        "Models": "/app/models",
        "Schedules": "/app/schedules",
        "Feeds": "/app/feeds",
        "Alerts": "/app/alerts",
        "Try it": "/app/try",
        "Keys": "/app/keys",
    }


def _jobs(database: Database) -> dict[str, str]:
    now = datetime.now(UTC)
    common: dict[str, Any] = {"state": "succeeded", "stage": "succeeded", "owner": "bench", "request_hash": ""}
    common |= {"error": None, "options": None, "facts": None, "lease_until": now, "done": 1, "total": 1}
    with database.write() as session:
        for start in range(0, JOBS, 5_000):
            ages = [timedelta(minutes=number) for number in range(start, start + 5_000)]
            rows = [
                {"id": f"bench-{age}", "kind": KINDS[n % len(KINDS)], "created_at": now - age, "finished_at": now - age}
                for n, age in enumerate(ages)
            ]
            session.execute(insert(Job), [{**common, **row} for row in rows])
    return {"Jobs, trainings": "/app/jobs?kind=training", "Jobs, failed": "/app/jobs?state=failed"}


def _table(client: FlaskClient, urls: dict[str, str], posts: int, facts: dict[str, Any]) -> Iterator[str]:
    yield f"{datetime.now(UTC):%Y-%m-%d}, {facts['cpu']}, load {facts['load_before']}; {posts:,} posts, SQLite."
    yield ""
    yield "| page | cold | again |"
    yield "|---|---:|---:|"
    for name, url in urls.items():
        yield f"| {name} | {took_ms(client, url, True):.0f} ms | {took_ms(client, url, False):.0f} ms |"


if __name__ == "__main__":
    main()
