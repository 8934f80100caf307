"""What a few hundred labels buy: a model meets a stream from another domain and learns from it, round by round.

    python -m bench.learning_loop --base-data tweets.parquet --old validation.parquet \
        --domain products.parquet --domain apple.parquet --docs docs/learning.md

Each round some texts of the stream are labelled, the model is refreshed with all labels so far, exported as it would be
served, and judged on rows of the stream that nobody labels and on old rows. An arm is one domain, one way of choosing
what is labelled, and one seed; finished arms are in the JSON file, and a run that was cut off goes on after them.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from rich.console import Console

from bench import docs, learning_plot, learning_report
from bench.choosing import choose
from bench.learning_figures import digits
from bench.machine import machine, versions
from overheard.scoring.onnx import OnnxEngine
from overheard.settings import Settings
from overheard.training.copies import without_copies
from overheard.training.data import Rows, load_rows
from overheard.training.dequantise import dequantise
from overheard.training.export import CALIBRATION_TEXTS, export_bundle
from overheard.training.finetune import finetune
from overheard.training.recipe import REFRESH
from overheard.training.replay import remember

BALANCED, RANDOM = "balanced", "random"
STARTER: Final = Path(__file__).parents[1] / "overheard" / "starter"


@dataclass(frozen=True)
class Domain:
    """A stream. pool: what can be labelled; judged: what nobody labels; copied: whether a judged row has a near copy
    in the pool."""

    name: str
    pool: Rows
    judged: Rows
    copied: tuple[bool, ...]

    @classmethod
    def of(cls, path: Path, pool: int, judged: int) -> Self:
        """The same rows for every seed, so that differences between arms are not those between rows."""
        rows = load_rows(str(path))
        order = np.random.default_rng(0).permutation(len(rows)).tolist()
        kept, free = rows[order[:judged]], rows[order[judged : judged + pool]]
        own = set(without_copies(kept, free).texts)
        return cls(path.stem, free, kept, tuple(text not in own for text in kept.texts))


@dataclass(frozen=True)
class Arm:
    domain: Domain
    way: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.domain.name}/{self.way}/{self.seed}"


class Loop:
    """All that arms have in common. champion: the starter's weights."""

    def __init__(self, base: Rows, old: Rows, champion: Path, rounds: int, labels: int) -> None:
        self._base, self._old, self._champion, self._rounds, self._labels = base, old, champion, rounds, labels

    def run(self, arm: Arm) -> list[dict[str, Any]]:
        """The rounds of an arm: each labels more, by what the last model says, and trains the starter on all of it."""
        chosen, found, bundle = list[int](), list[dict[str, Any]](), STARTER
        recipe = replace(REFRESH, seed=arm.seed)
        replay = remember(self._champion, self._base, recipe)
        with tempfile.TemporaryDirectory(prefix="overheard-bench-") as folder:
            for number in range(1, self._rounds + 1):
                chosen += self._choose(arm, chosen, bundle, number)
                fresh = arm.domain.pool[chosen]
                began_at = time.monotonic()
                finetune(str(self._champion), fresh, Path(folder) / "weights", recipe, replay=replay)
                trained_s = time.monotonic() - began_at
                bundle = self._export(Path(folder) / "weights", Path(folder) / "bundle", [*fresh.texts, *replay.texts])
                found.append({"labels": len(chosen), "counts": fresh.counts, "trained_s": round(trained_s, 1)})
                found[-1] |= self.judge(bundle, arm.domain)
        return found

    def judge(self, bundle: Path, domain: Domain) -> dict[str, str]:
        """What a bundle calls the judged rows, as `learning_figures` reads it."""
        engine = OnnxEngine(bundle, 1)
        rows = {"domain": domain.judged, "old": self._old}
        return {name: digits(engine.score(part.texts).argmax(axis=1)) for name, part in rows.items()}

    def _choose(self, arm: Arm, chosen: list[int], bundle: Path, number: int) -> list[int]:
        """Places in the pool."""
        pool, seed = arm.domain.pool, 1000 * arm.seed + number
        left = sorted(set(range(len(pool))) - set(chosen))
        if arm.way == RANDOM:
            places = np.random.default_rng(seed).permutation(len(left))[: self._labels].tolist()
        else:
            texts, known = [pool.texts[index] for index in left], [pool.texts[index] for index in chosen]
            places = choose(OnnxEngine(bundle, 1).score(texts), texts, self._labels, seed, known)
        return [left[place] for place in places]

    def _export(self, checkpoint: Path, out: Path, seen: list[str]) -> Path:
        """As it would be served; some of what it learned shows how far activations reach."""
        random.Random(0).shuffle(seen)
        texts = seen[:CALIBRATION_TEXTS]
        export_bundle(checkpoint, out, calibration=texts, name="bench", base="starter", max_tokens=REFRESH.max_tokens)
        return out


def main() -> None:
    options = _options()
    path = options.earlier or options.json
    report = json.loads(path.read_text()) if path.is_file() else {}
    if not options.earlier:
        report = _measure(options, report)
    Console(highlight=False).print(learning_report.markdown(report), markup=False, soft_wrap=True)
    if options.docs:
        docs.fill(options.docs, "learning", learning_report.markdown(report))
        (options.docs.parent / "images" / "learning-loop.svg").write_text(learning_plot.svg(report))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.learning_loop", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--base-data", help="what the starter was trained on: text and label; replayed")
    parser.add_argument("--old", help="rows like those, to see what is forgotten")
    parser.add_argument("--domain", type=Path, action="append", default=[], help="a stream: text and label; repeatable")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--labels", type=int, default=100, help="a round")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pool", type=int, default=3000, help="rows of a stream that can be labelled")
    parser.add_argument("--judged", type=int, default=1500, help="rows of a stream that are judged and never labelled")
    parser.add_argument("--json", type=Path, default=Settings.load().home / "bench" / "learning.json")
    parser.add_argument("--docs", type=Path, help="page to put the figures into; the plot goes to images/ beside it")
    parser.add_argument("--from", type=Path, dest="earlier", metavar="JSON", help="figures of an earlier run")
    options = parser.parse_args()
    if not options.earlier and not (options.base_data and options.old and options.domain):
        parser.error("--base-data, --old and --domain are needed, or --from")
    return options


def _measure(options: argparse.Namespace, report: dict[str, Any]) -> dict[str, Any]:
    """Run the arms that `report` lacks; the file is whole after each."""
    load, console = os.getloadavg()[0], Console(stderr=True, highlight=False)
    base = load_rows(options.base_data)
    old = without_copies(load_rows(options.old), base)
    domains = [Domain.of(path, options.pool, options.judged) for path in options.domain]
    asked = {
        "recipe": asdict(REFRESH),
        "data": {name: rows.content_hash() for name, rows in {"base": base, "old": old}.items()},
        "domains": {domain.name: [domain.pool.content_hash(), domain.judged.content_hash()] for domain in domains},
        **{name: getattr(options, name) for name in ("rounds", "labels", "seeds")},
    }
    if report and report["asked"] != asked:
        sys.exit(f"bench: {options.json} holds figures of another run: name another file, or remove it")
    with tempfile.TemporaryDirectory(prefix="overheard-bench-") as folder:
        dequantise(STARTER, Path(folder))
        loop = Loop(base, old, Path(folder), options.rounds, options.labels)
        report = report or {
            "asked": asked,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(load),
            "versions": versions("torch", "transformers"),
            "old": digits(old.labels),
            "domains": {domain.name: _facts(domain, loop) for domain in domains},
            "arms": {},
        }
        for arm in _arms(domains, options.seeds):
            if arm.name not in report["arms"]:
                console.print(f"{datetime.now(UTC):%H:%M} {arm.name}")
                report["arms"][arm.name] = loop.run(arm)
                options.json.parent.mkdir(parents=True, exist_ok=True)
                draft = options.json.with_suffix(".draft")
                draft.write_text(json.dumps(report, indent=1) + "\n")
                draft.replace(options.json)
    return report


def _facts(domain: Domain, loop: Loop) -> dict[str, Any]:
    copied = digits([int(copy) for copy in domain.copied])
    return {
        "rows": len(domain.pool),
        "labels": digits(domain.judged.labels),
        "copied": copied,
        "starter": loop.judge(STARTER, domain),
    }


def _arms(domains: list[Domain], seeds: int) -> Iterator[Arm]:
    """Every domain and way once, then again with the next seed."""
    for seed in range(seeds):
        for domain in domains:
            yield from (Arm(domain, way, seed) for way in (BALANCED, RANDOM))


if __name__ == "__main__":
    main()
