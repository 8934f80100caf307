"""How long `GET /brands/{id}/sentiment` and the overview take for a brand with a million posts over a year.

    python -m bench.sentiment --docs docs/estimates.md

Made are the hourly counts of four sources, as so many posts would leave them, and fifty labelled posts of each week.
Cold: no estimate was made before. Times are of this process' CPU, the least of several requests, without a network.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from flask.testing import FlaskClient
from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import insert, text

from api.app import create_app
from bench import docs
from bench.machine import machine
from overheard import remembered
from overheard.aggregates import Floats, summary
from overheard.registry import locate
from overheard.scoring.bundle import read_manifest
from overheard.settings import Settings
from overheard.store import quarters
from overheard.store.database import Database, migrate
from overheard.store.tables.audits import Audit, Draw
from overheard.store.tables.counts import Hour
from overheard.store.tables.heard import Brand
from overheard.store.tables.learning import Label, Model

SOURCES: Final = ("x", "rss", "mastodon", "hn")
DAYS: Final = 370
AN_HOUR: Final = 28.5
"""Posts of a source: a million in a year of four."""
AUDITED: Final = 50
REQUESTS: Final = 7
KEY: Final = "a key of the bench, of forty characters.."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sentiment", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--docs", type=Path, help="page to put the figures into")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), redis_url="redis://127.0.0.1:9/0", api_key=SecretStr(KEY))
        posts = _fill(settings)
        client = create_app(settings).test_client()
        lines = "\n".join(_table(client, machine(load), posts))
    Console(highlight=False).print(lines, markup=False, soft_wrap=True)
    if options.docs:
        docs.fill(options.docs, "sentiment", lines)


def _fill(settings: Settings) -> int:
    """How many posts there are."""
    migrate(settings.sql_url)
    database, now = Database(settings.sql_url), datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    random = np.random.default_rng(0)
    said = random.dirichlet([0.6, 1.0, 0.7], 20_000)
    with database.write() as session:
        brand = Brand(name="million", name_key="million", spec={}, created_at=now, updated_at=now)
        metrics = {"metrics": read_manifest(locate("starter", Path())).metrics}
        session.add_all([brand, Model(version="m", name="m", base="", facts=metrics, created_at=now)])
        session.flush()
        hours = list(_hours(random, said, brand.id, now))
        for start in range(0, len(hours), 5_000):
            session.execute(insert(Hour), hours[start : start + 5_000])
        quarters.sum_up(session, ((brand.id, hour["hour"], hour["source"]) for hour in hours))
        for week in range(DAYS // 7):
            since = now - (week + 1) * timedelta(days=7)
            strata = [{"name": name, "posts": 4_500, "drawn": AUDITED // 4 + 1} for name in "abcd"]
            draw = Draw(brand_id=brand.id, since=since, until=since + timedelta(days=7), strata=strata, drawn_at=now)
            session.add(draw)
            session.flush()
            audits = [_audit(random, said, draw, place) for place in range(AUDITED)]
            session.execute(insert(Audit), audits)
            session.execute(insert(Label), [_label(random, audit, now) for audit in audits])
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    database.engine.dispose()
    return sum(hour["posts"] for hour in hours)


def _hours(random: np.random.Generator, said: Floats, brand_id: int, now: datetime) -> Iterator[dict[str, Any]]:
    counted = [summary(said[random.integers(len(said), size=random.poisson(AN_HOUR))]) for _ in range(500)]
    for hour in range(24 * DAYS):
        for source in SOURCES:
            one = counted[random.integers(len(counted))]
            called = dict(zip(("called_negative", "called_neutral", "called_positive"), one.called, strict=True))
            sums = dict(zip(("sum_negative", "sum_neutral", "sum_positive"), one.sums, strict=True))
            place = {"brand_id": brand_id, "hour": now - timedelta(hours=hour), "source": source, "model": "m"}
            about = {"language": "en", "posts": one.posts, "reach": 0, "moments": one.moments.pack()}
            yield {**place, **about, **called, **sums}


def _audit(random: np.random.Generator, said: Floats, draw: Draw, place: int) -> dict[str, Any]:
    scores = dict(zip(("negative", "neutral", "positive"), said[random.integers(len(said))].tolist(), strict=True))
    at = draw.since + random.random() * timedelta(days=7)
    about = {"draw_id": draw.id, "brand_id": draw.brand_id, "stratum": place % 4, "source": "x", "language": "en"}
    return {**about, "posted_at": at, "text_key": f"{draw.id}-{place}", "model": "m", **scores}


def _label(random: np.random.Generator, audit: dict[str, Any], now: datetime) -> dict[str, Any]:
    likely = [audit[name] for name in ("negative", "neutral", "positive")]
    key = dict.fromkeys(("id", "text", "text_key"), audit["text_key"])
    return {**key, "label": random.choice(3, p=likely), "labelled_by": "bench", "purpose": "audit", "labelled_at": now}


def _table(client: FlaskClient, facts: dict[str, Any], posts: int) -> Iterator[str]:
    yield f"{datetime.now(UTC):%Y-%m-%d}, {facts['cpu']}, load {facts['load_before']}; {posts:,} posts, SQLite."
    yield ""
    yield "| asked for | cold | again |"
    yield "|---|---:|---:|"
    now = datetime.now(UTC)
    asked = {
        f"{days} days, by {step}": (days, step)
        for days, step in ((7, "hour"), (30, "day"), (90, "day"), (365, "week"), (365, "day"))
    }
    urls = {
        name: f"/brands/1/sentiment?since={now - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}&step={step}"
        for name, (days, step) in asked.items()
    }
    urls |= {f"the overview, {days} days": f"/?brand=1&period={days}" for days in (7, 30, 90, 365)}
    for name, url in urls.items():
        yield f"| {name} | {took_ms(client, url, True):.0f} ms | {took_ms(client, url, False):.0f} ms |"


def took_ms(client: FlaskClient, url: str, is_cold: bool) -> float:
    """Of this process' CPU. is_cold: whoever was asked has made no estimate before."""
    spans = []
    for _ in range(REQUESTS):
        if is_cold:
            remembered.forget()
        began_at = time.process_time()
        answer = client.get(url, headers={"Authorization": f"Bearer {KEY}"})
        spans.append(1000 * (time.process_time() - began_at))
        assert answer.status_code == 200, answer.text
    return min(spans)


if __name__ == "__main__":
    main()
