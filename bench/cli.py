"""How fast `overheard score FILE` is through a running stack, beside the same file in one process.

    python -m bench.cli --data posts.parquet --json cli.json

Both ways alternate on the same machine, so that whatever else runs there slows both; the ratio is what counts.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import cycle, islice
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.machine import cpu as _cpu  # noqa: F401 - bench.batches takes it from here
from bench.machine import machine, versions
from bench.stack import OVERHEARD, start
from bench.stack import free_ports as _free_ports  # noqa: F401 - bench.batches takes it from here
from overheard import demo
from overheard.settings import Settings

ROUNDS = 2
DEMO_ROWS = 10_000
WARM_UP_ROWS = 1000


def main() -> None:
    options = _options()
    settings = Settings.load()
    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory(prefix="overheard-bench-") as folder:
        data, column = options.data, options.text_column
        if data is None:
            data, column = _demo_file(Path(folder), DEMO_ROWS), "text"
            console.print(f"no --data: the demo posts, repeated with distinct suffixes to {DEMO_ROWS:,} rows")
        warm_up = _demo_file(Path(folder), WARM_UP_ROWS)
        is_running = bool(settings.api_url or settings.running_stack)
        with nullcontext(settings) if is_running else _stack(Path(folder), console) as stack:
            ways = {"through the stack": [], "in one process": ["--here"]}
            for more in ways.values():
                _score(stack, warm_up, "text", Path(folder), more)
            load = os.getloadavg()[0]
            runs: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
            for number in range(ROUNDS):
                for way, more in ways.items():
                    console.print(f"round {number + 1}: {way}")
                    runs[way].append(_score(stack, data, column, Path(folder), more))
    report = _report(data.name if options.data else "demo posts", runs, load, started=not is_running)
    _print(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cli", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="CSV, JSONL or Parquet; without it the demo posts are used")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--json", type=Path, help="write the numbers here, too")
    return parser.parse_args()


def _demo_file(folder: Path, rows: int) -> Path:
    path = folder / f"demo-{rows}.jsonl"
    posts = islice(cycle(demo.posts()), rows)
    path.write_text("".join(json.dumps({"text": f"{post.text} #{n}"}) + "\n" for n, post in enumerate(posts)))
    return path


@contextmanager
def _stack(folder: Path, console: Console) -> Iterator[Settings]:
    """`overheard up` on free ports in a folder of its own, until the end of the context."""
    console.print(f"no stack runs in {Settings.load().home}: starting one")
    with start(folder / "home") as running:
        yield running.settings


def _score(settings: Settings, data: Path, column: str, folder: Path, more: list[str]) -> dict[str, Any]:
    """What the command itself says, and how long all of it took, its start included."""
    output = folder / "scored.parquet"
    command = [*OVERHEARD, "score", str(data), "-o", str(output), "--text-column", column, "--prefix", "bench_"]
    began_at = time.monotonic()
    done = subprocess.run(
        [*command, "--overwrite", "--json", *more],
        env=settings.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    if ("in this process" in done.stderr) != bool(more):
        sys.exit(f"scored the other way than asked for: {done.stderr}")
    return {**json.loads(done.stdout), "command_s": round(time.monotonic() - began_at, 3)}


def _report(data: str, runs: dict[str, list[dict[str, Any]]], load: float, *, started: bool) -> dict[str, Any]:
    (first, *_), rates = next(iter(runs.values())), {way: mean(r["rows_per_s"] for r in rs) for way, rs in runs.items()}
    through, here = rates.values()
    return {
        "what": "overheard score FILE",
        "data": data,
        "rows": first["rows"],
        "models": sorted({run["model"] for of_way in runs.values() for run in of_way}),
        "stack": "started for this" if started else "was running",
        "ways": {
            way: {
                "rows_per_s": round(rates[way], 1),
                "rounds": [run["rows_per_s"] for run in of_way],
                "command_s": [run["command_s"] for run in of_way],
            }
            for way, of_way in runs.items()
        },
        "ratio": round(through / here, 3),
        "machine": machine(load),
        "versions": versions(),
    }


def _print(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    machine = report["machine"]
    console.print(f"{report['data']}: {report['rows']:,} rows, model {', '.join(report['models'])}")
    console.print(f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_before']} before")
    console.print(", ".join(f"{name} {number}" for name, number in report["versions"].items()))
    table = Table("", "rows/s", "each round", "whole command, s", "ratio", box=None)
    for way, facts in report["ways"].items():
        ratio = f"{report['ratio']:.2f}" if way == "through the stack" else "1"
        rounds = ", ".join(f"{rate:,.0f}" for rate in facts["rounds"])
        seconds = ", ".join(f"{took:.1f}" for took in facts["command_s"])
        table.add_row(way, f"{facts['rows_per_s']:,.0f}", rounds, seconds, ratio)
    console.print(table)


if __name__ == "__main__":
    main()
