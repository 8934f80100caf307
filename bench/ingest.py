"""How fast posts are stored, and how fast a brand's daily series is read, on SQLite and PostgreSQL.

    python -m bench.ingest --data stream.parquet --posts 1000000 --docs docs/listening.md

Storing is what an inspection does with a page: one transaction that keeps the posts, their mentions, what waits for a
score, and the marks of their hours; without scoring. Then all posts get a score, the hours are counted, and the series
of one brand over all its days is read: the counts alone, and with estimated shares, for which posts of each week were
drawn and labelled. For ten times as many posts the hourly counts alone are made, as they would be.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from rich.console import Console
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from bench import docs
from bench.machine import machine, versions
from bench.texts import read
from overheard.collectors.base import Post
from overheard.privacy import Privacy
from overheard.settings import Settings
from overheard.store import audits, draws, hours, posts, quarters, series, shares
from overheard.store.database import Database, migrate
from overheard.store.series import Step
from overheard.store.tables.counts import Hour
from overheard.store.tables.heard import Brand

PAGE: Final = 500
DAYS: Final = 365
BRANDS: Final = 10
READINGS: Final = 20
SOURCES: Final = ("x", "rss", "mastodon", "hn")
NOW: Final = datetime(2026, 11, 1, tzinfo=UTC)
Reading: TypeAlias = Callable[[Session, int, list[datetime]], int]
"""Of a brand's days; returns how many posts there were."""


def main() -> None:
    options = _options()
    found = json.loads(options.earlier.read_text()) if options.earlier else _measure(options)
    Console(highlight=False).print(markdown(found), markup=False, soft_wrap=True)
    if not options.earlier:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    if options.docs:
        docs.fill(options.docs, "ingest", markdown(found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="CSV, JSONL or Parquet; without it the demo posts are used")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--posts", type=int, default=1_000_000)
    parser.add_argument("--postgres", metavar="URL", help="an empty database; unset: a server of our own")
    parser.add_argument("--json", type=Path, default=Settings.load().home / "bench" / "ingest.json")
    parser.add_argument("--docs", type=Path, help="page to put the figures into")
    parser.add_argument("--from", type=Path, dest="earlier", metavar="JSON", help="figures of an earlier run")
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    load, drawn = os.getloadavg()[0], read(options.data, options.text_column, 0)
    texts = drawn.draw(0, len(drawn))
    found: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(load),
        "versions": versions("sqlalchemy", "psycopg"),
        "posts": options.posts,
        "databases": {},
    }
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="overheard-bench-"))
        postgres = options.postgres or _own_server(stack)
        for url in (f"sqlite:///{folder}/bench.db", postgres):
            if url:
                migrate(url)
                database = Database(url)
                found["databases"][database.engine.dialect.name] = _of_one(database, texts, options.posts)
                database.engine.dispose()
    return found


def _own_server(stack: ExitStack) -> str | None:
    try:
        from tests.databases import postgres_programs, postgres_server
    except ImportError:
        return None
    if not postgres_programs():
        print("PostgreSQL is not installed: SQLite only", file=sys.stderr)
        return None
    return stack.enter_context(postgres_server())


def _of_one(database: Database, texts: list[str], count: int) -> dict[str, Any]:
    first, found = fill(database, texts, count)
    for size in (count, 10 * count):
        if size > count:
            _make_hours(database, first)
        found.setdefault("series_ms", {})[str(size)] = _series_ms(database, first, _counts)
        found.setdefault("shares_ms", {})[str(size)] = _series_ms(database, first, _shares)
    return found


def fill(database: Database, texts: list[str], count: int) -> tuple[int, dict[str, Any]]:
    """The brand that half of the posts are of, with audits; and how fast posts were stored and hours counted."""
    with database.write() as session:
        brands = [Brand(name=f"b{n}", name_key=f"b{n}", spec={}, created_at=NOW, updated_at=NOW) for n in range(BRANDS)]
        session.add_all(brands)
        session.flush()
        ids = [brand.id for brand in brands]
    rates = _store(database, texts, count, ids)
    _score_all(database)
    began_at = time.monotonic()
    counted = hours.count_all(database)
    found = {"posts_per_s": rates, "hours": counted, "hours_per_s": counted / (time.monotonic() - began_at)}
    found["audits"] = _audit(database, ids[0])
    return ids[0], found


def _audit(database: Database, brand_id: int) -> int:
    """Fifty posts of each week of the year, labelled as the model calls them or, one in four, otherwise."""
    weeks = [NOW - timedelta(days=7 * week) for week in range(DAYS // 7)]
    for until in weeks:
        draws.draw(database, brand_id, until - timedelta(days=7), until, 50, NOW)
    with database.write() as session:
        found = audits.ask(session, brand_id, 50 * len(weeks)).next
        for place, one in enumerate(found):
            called = max(range(3), key=(one.audit.negative, one.audit.neutral, one.audit.positive).__getitem__)
            audits.answer(session, one.audit.id, called if place % 4 else (called + 1) % 3, "bench", NOW)
    return len(found)


def _counts(session: Session, brand_id: int, times: list[datetime]) -> int:
    return sum(point.posts for point in series.read(session, brand_id, times))


def _shares(session: Session, brand_id: int, times: list[datetime]) -> int:
    return shares.read(session, brand_id, times)[1].point.posts


def _store(database: Database, texts: list[str], count: int, brands: list[int]) -> dict[str, float]:
    """Posts per second: of the whole, and of the slowest tenth."""
    privacy, pages, marks = Privacy(b"a secret of the bench"), _pages(texts, count), [time.monotonic()]
    for number, page in enumerate(pages):
        with database.write() as session:
            posts.keep(
                session,
                page,
                source=SOURCES[number % len(SOURCES)],
                brands_of=lambda post: [brands[0] if int(post.external_id) % 2 else brands[len(post.text) % BRANDS]],
                feed_id=None,
                privacy=privacy,
                now=NOW,
            )
        marks.append(time.monotonic())
    tenth = max(1, (len(marks) - 1) // 10)
    slowest = max(marks[end] - marks[end - tenth] for end in range(tenth, len(marks), tenth))
    return {"mean": count / (marks[-1] - marks[0]), "slowest tenth": tenth * PAGE / slowest}


def _pages(texts: list[str], count: int) -> Iterator[list[Post]]:
    """As they come in over a year, the newest last."""
    step = timedelta(days=DAYS) / count
    numbered = zip(range(count), cycle(texts), strict=False)
    stream = (
        Post(str(n), words, NOW - timedelta(days=DAYS) + n * step, author=str(n % 50_000), reach=n % 7)
        for n, words in numbered
    )
    while page := list(islice(stream, PAGE)):
        yield page


def _score_all(database: Database) -> None:
    """What a model would have said, by the database itself: scoring is not what is measured here."""
    share = "(abs(id * 7919) % 1000) / 1000.0"
    with database.write() as session:
        session.execute(
            text(
                "INSERT INTO scores (post_id, model, negative, neutral, positive, scored_at) "
                f"SELECT id, 'bench', {share} / 2, 0.5, (1 - {share}) / 2, heard_at FROM posts"
            )
        )
        session.execute(text("DELETE FROM unscored"))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def _make_hours(database: Database, brand_id: int) -> None:
    """Ten times the posts: the year's hours as four sources and two models would leave them."""
    with database.read() as session:
        present = session.scalars(select(Hour).where(Hour.brand_id == brand_id)).all()
    row, known = present[0], {(hour.hour, hour.source, hour.model) for hour in present}
    same = {column.name: getattr(row, column.name) for column in Hour.__table__.c}
    first = NOW - timedelta(days=DAYS)
    rows = [
        {**same, "hour": first + timedelta(hours=hour), "source": source, "model": model}
        for hour in range(24 * DAYS)
        for source in SOURCES
        for model in ("bench", "newer")
    ]
    with database.write() as session:
        new = [row for row in rows if (row["hour"], row["source"], row["model"]) not in known]
        for start in range(0, len(new), 5000):
            session.execute(insert(Hour), new[start : start + 5000])
        quarters.sum_up(session, ((brand_id, row["hour"], row["source"]) for row in rows))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def _series_ms(database: Database, brand_id: int, read: Reading) -> dict[str, float]:
    """Milliseconds for all days of the year, and for the last thirty: median and worst of READINGS."""
    took: dict[str, float] = {}
    for days in (DAYS, 30):
        times = series.edges(NOW - timedelta(days=days), NOW, Step.day, ZoneInfo("Europe/Berlin"))
        spans = []
        for _ in range(READINGS):
            began_at = time.perf_counter()
            with database.read() as session:
                assert read(session, brand_id, times)
            spans.append(1000 * (time.perf_counter() - began_at))
        took |= {f"{days} days": statistics.median(spans), f"{days} days, worst": max(spans)}
    return took


def markdown(found: dict[str, Any]) -> str:
    facts = found["machine"]
    lines = [
        f"- {facts['cpu']}, {facts['cores']} cores; load {facts['load_before']} before the start; {found['at']}",
        f"- {found['posts']:,} posts over {DAYS} days for {BRANDS} brands, half of them on one; pages of {PAGE}",
        "- " + ", ".join(f"{name} {number}" for name, number in found["versions"].items()),
        "",
        "| database | posts/s | slowest tenth | hours counted/s | daily counts, " + " | ".join(_columns(found)) + " |",
        "|---|---:|---:|---:|" + "---:|" * len(_columns(found)),
    ]
    estimated = [
        "",
        "| database | daily shares with intervals, " + " | ".join(_columns(found)) + " |",
        "|---|" + "---:|" * len(_columns(found)),
    ]
    for name, told in found["databases"].items():
        rates = told["posts_per_s"]
        cells = [f"{rates['mean']:,.0f}", f"{rates['slowest tenth']:,.0f}", f"{told['hours_per_s']:,.0f}"]
        lines.append(f"| {name} | " + " | ".join(cells + _spans(told["series_ms"])) + " |")
        estimated.append(f"| {name} | " + " | ".join(_spans(told["shares_ms"])) + " |")
    return "\n".join(lines + estimated)


def _spans(told: dict[str, Any]) -> list[str]:
    return [f"{told[size][f'{days} days']:.1f} ms" for size in told for days in (30, DAYS)]


def _columns(found: dict[str, Any]) -> list[str]:
    sizes = next(iter(found["databases"].values()))["series_ms"]
    return [f"{int(size):,} posts, {days} days" for size in sizes for days in (30, DAYS)]


if __name__ == "__main__":
    main()
