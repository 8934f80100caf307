"""How fast scoring is, end to end: everything that scores texts, side by side, in one run.

    python -m bench --data posts.parquet

Prints a table and a list of what passes, and leaves the figures as JSON. `--docs` puts them into docs/benchmarks.md and
draws its plot; with `--from` it does so from the figures of an earlier run.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import contestants, docs, models, plot, report, servers
from bench.checks import checks
from bench.machine import TORCH, machine, versions
from bench.measure import QUICK, Plan, Race
from bench.models import ROBERTA, STARTER, Model
from bench.servers import Server
from bench.texts import read
from overheard.errors import OverheardError
from overheard.settings import Settings

NAMES = {"starter": STARTER, "roberta": ROBERTA}


def main() -> None:
    options = _options()
    try:
        facts = json.loads(options.earlier.read_text()) if options.earlier else _measure(options)
    except OverheardError as error:
        sys.exit(f"bench: {error}")
    report.show(facts, Console(highlight=False, width=None if sys.stdout.isatty() else report.WIDE))
    if not options.earlier:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(facts, indent=1) + "\n")
        print(f"figures: {options.json}")
    if options.docs:
        picture = options.docs.parent / "images" / "bench.svg"
        picture.write_text(plot.svg(facts))
        docs.fill(options.docs, "bench", report.markdown(facts))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="CSV, JSONL or Parquet; without it the demo posts are used")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--seed", type=int, default=0, help="of the order of the texts")
    parser.add_argument("--rounds", type=int, default=Plan.rounds)
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes, to see that it works")
    parser.add_argument("--only", choices=NAMES, help="one of the two models")
    served: dict[str, Any] = {"action": "append", "default": [], "type": _served, "metavar": "[starter=|roberta=]URL"}
    parser.add_argument("--infinity", help="a running infinity, and which of the models it serves", **served)
    parser.add_argument(
        "--tei", help="a running text-embeddings-inference, and which of the models it serves", **served
    )
    parser.add_argument("--json", type=Path, default=Settings.load().home / "bench" / "bench.json")
    parser.add_argument("--docs", type=Path, help="page to put the figures into, its plot beside it")
    parser.add_argument("--from", type=Path, dest="earlier", metavar="JSON", help="figures of an earlier run")
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    console = Console(stderr=True, highlight=False)
    texts = read(options.data, options.text_column, options.seed)
    load = os.getloadavg()[0]
    plan = QUICK if options.quick else Plan(rounds=options.rounds)
    builders: dict[str, Callable[[Path], Model]] = {
        "starter": models.starter,
        "roberta": partial(models.roberta, texts=texts.draw(-2, models.TRAINING_TEXTS), small=options.quick),
    }
    chosen = [options.only] if options.only else list(builders)
    found = []
    with tempfile.TemporaryDirectory(prefix="overheard-bench-") as folder:
        console.print("making checkpoints and bundles")
        with contestants.child() as maker:  # before anything is timed: what can't be made, fails now
            made = {name: maker.submit(builders[name], Path(folder)).result() for name in chosen}
        with contestants.child() as torch:
            for name, model in made.items():
                race = Race(model, texts, plan, _others(options, name), console)
                found.append(race.run(torch, Path(folder) / f"{name}-home"))
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": options.quick,
        "rounds": plan.rounds,
        "seed": options.seed,
        "data": {"name": texts.name, "distinct": len(texts)},
        "machine": machine(load),
        "versions": versions(*TORCH),
        "models": found,
        "checks": [check.facts() for check in checks(found)],
    }


def _served(text: str) -> tuple[str, str]:
    """Which model a server has, and its URL."""
    name, separator, url = text.partition("=")
    return (name, url) if separator and name in NAMES else ("starter", text)


def _others(options: argparse.Namespace, model: str) -> list[Server]:
    return [
        join(url)
        for join, given in ((servers.infinity, options.infinity), (servers.tei, options.tei))
        for name, url in given
        if name == model
    ]


if __name__ == "__main__":
    main()
