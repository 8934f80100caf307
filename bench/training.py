"""How fast fine-tuning learns: ours beside a plain Trainer, the same time each, on the same rows, from the same base.

    python -m bench.training --data rows.parquet --base sentence-transformers/all-MiniLM-L6-v2 --docs docs/training.md

The plain one pads every text to 256 tokens and moves all weights with AdamW and a rate of 2e-5, in float32 and batches
of 8. Both are judged on the same held-out rows from time to time, with the clock stopped. Needs the extra `train`.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psutil  # type: ignore[import-untyped]
import torch
from rich.console import Console

from bench import docs, training_report
from bench.machine import TORCH, Watch, machine, versions
from bench.training_sides import Clock, TimeIsUp, ours, plain
from overheard.errors import OverheardError
from overheard.settings import Settings
from overheard.training.copies import without_copies
from overheard.training.data import Rows, load_rows
from overheard.training.recipe import Recipe

HELD_OUT_SHARE: Final = 0.05
SIDES: Final[dict[str, Callable[[str, Rows, Rows, Clock], None]]] = {"ours": ours, "plain": plain}


def main() -> None:
    options = _options()
    try:
        facts = json.loads(options.earlier.read_text()) if options.earlier else _measure(options)
    except OverheardError as error:
        sys.exit(f"bench: {error}")
    Console(highlight=False).print(training_report.markdown(facts), markup=False, soft_wrap=True)
    if not options.earlier:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(facts, indent=1) + "\n")
    if options.docs:
        (options.docs.parent / "images" / "training.svg").write_text(training_report.svg(facts))
        docs.fill(options.docs, "training", training_report.markdown(facts))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.training", description=(__doc__ or "").splitlines()[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", help="a file with text and label, or a Hub data set id[:config]")
    source.add_argument("--from", type=Path, dest="earlier", metavar="JSON", help="figures of an earlier run")
    parser.add_argument("--base", default="sentence-transformers/all-MiniLM-L6-v2", help="directory or Hub id")
    parser.add_argument("--base-name", help="what to call it in the report")
    parser.add_argument("--rows", type=int, help="learn from so many of the rows")
    parser.add_argument("--minutes", type=float, default=3, help="of training, for each side")
    parser.add_argument("--json", type=Path, default=Settings.load().home / "bench" / "training.json")
    parser.add_argument("--docs", type=Path, help="page to put the figures and the plot into")
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    load, console = os.getloadavg()[0], Console(stderr=True, highlight=False)
    learned, held_out = _split(load_rows(options.data), options.rows)
    sides = {}
    for name, train in SIDES.items():
        console.print(f"{name}: {options.minutes:g} minutes of training")
        watch, began_with, clock = Watch(), _cpu_s(), Clock(60 * options.minutes)
        with suppress(TimeIsUp):
            train(options.base, learned, held_out, clock)
        sides[name] = clock.facts() | {"others_cpu": round(watch.others(_cpu_s() - began_with), 2)}
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "base": options.base_name or options.base,
        "data": {"name": Path(options.data).name, "rows": len(learned), "held_out": len(held_out)},
        "minutes": options.minutes,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} threads",
        "recipe": asdict(Recipe()),
        "machine": machine(load),
        "versions": versions(*TORCH, "accelerate"),
        "sides": sides,
    }


def _split(rows: Rows, count: int | None) -> tuple[Rows, Rows]:
    """Rows to learn from, and rows to judge on that are no near copies of them."""
    learned, held_out = rows.split(HELD_OUT_SHARE, seed=0)
    if count:
        learned = learned.split(min(1.0, count / len(learned)), seed=0)[1]
    held_out = without_copies(held_out, learned)
    return learned, held_out.split(min(1.0, Recipe().validation_rows / len(held_out)), seed=0)[1]


def _cpu_s() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
