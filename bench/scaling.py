"""How throughput grows with scoring workers on one machine, and what each message costs each program.

    python -m bench.scaling --data posts.parquet --docs docs/scaling.md

Each worker is pinned to a core of its own; API, Redis and the client share what is left: with two cores and two
workers, that is those same cores. Beside that: one worker and two workers that may all use every core.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from rich.console import Console

from bench import costs, docs, scaling_report, servers
from bench.jobs import Jobs
from bench.load import Order, drive
from bench.machine import Watch, machine, versions
from bench.numbers import Section
from bench.servers import Server
from bench.stack import NO_CACHE, START_TIMEOUT_S, Running, start
from bench.texts import Texts, read
from overheard.settings import Settings

BULK, SINGLES, JOBS = "bulk calls", "32 clients", "bulk jobs"
CONNECTIONS, CLIENTS, IN_FLIGHT_S = 4, 32, 5.0  # well under the 10 s after which the API sends a part again
JOB_COUNT, JOB_MESSAGES, RAMP_S = 2, 5000, 3.0
TEXTS_PER_S = 4000
COSTED = "two workers, a core each"


@dataclass(frozen=True)
class Case:
    """workers with `threads` each; pinned: each to a core of its own."""

    name: str
    workers: int
    threads: int
    pinned: bool


CASES = (
    Case("one worker, a core", 1, 1, pinned=True),
    Case(COSTED, 2, 1, pinned=True),
    Case("one worker, two threads", 1, 2, pinned=False),
    Case("two workers, one thread each", 2, 1, pinned=False),
    Case("two workers, two threads each", 2, 2, pinned=False),
)


def main() -> None:
    options = _options()
    facts = json.loads(options.earlier.read_text()) if options.earlier else _measure(options)
    Console(highlight=False).print(scaling_report.markdown(facts), markup=False, soft_wrap=True)
    if not options.earlier:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(facts, indent=1) + "\n")
    if options.docs:
        docs.fill(options.docs, "scaling", scaling_report.markdown(facts))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="CSV, JSONL or Parquet; without it the demo posts are used")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--model", default="starter", help="starter, or a bundle's directory")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--turn", type=float, default=8, metavar="SECONDS")
    parser.add_argument("--json", type=Path, default=Settings.load().home / "bench" / "scaling.json")
    parser.add_argument("--docs", type=Path, help="page to put the figures into")
    parser.add_argument("--from", type=Path, dest="earlier", metavar="JSON", help="figures of an earlier run")
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("bench: two workers with a core each need two cores")
    load, console = os.getloadavg()[0], Console(stderr=True, highlight=False)
    texts = read(options.data, options.text_column, seed=0)
    sections: dict[str, dict[str, Section]] = {case.name: defaultdict(Section) for case in CASES}
    with tempfile.TemporaryDirectory(prefix="overheard-bench-") as folder:
        for number in range(options.rounds):
            for case in CASES:
                console.print(f"round {number + 1} of {options.rounds}: {case.name}")
                with _workers(case, cores, Path(folder) / f"{number}-{CASES.index(case)}", options.model) as running:
                    _turns(sections[case.name], running, texts, number, options.turn)
    os.sched_setaffinity(0, cores)
    found = {name: {way: section.facts() for way, section in ways.items()} for name, ways in sections.items()}
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": options.model,
        "data": {"name": texts.name, "distinct": len(texts)},
        "machine": machine(load),
        "versions": versions(),
        "rounds": options.rounds,
        "cases": found,
        "costs": costs.table({way: facts["cpu_ms_per_message"] for way, facts in found[COSTED].items()}),
    }


@contextmanager
def _workers(case: Case, cores: Sequence[int], home: Path, model: str) -> Iterator[Running]:
    """A stack with as many workers as the case wants. What this process starts is placed as it is placed itself."""
    own = cores[: case.workers]
    rest = [core for core in cores if core not in own] if case.pinned else cores
    os.sched_setaffinity(0, rest or cores)
    with start(home, NO_CACHE, first_model=model, scoring_threads=case.threads) as running:
        (first,) = running.processes()["ml"]
        more = [_start_like(first, f"ml{n}", home) for n in range(2, case.workers + 1)]
        try:
            if case.pinned:
                for core, pid in zip(own, [first.pid, *(process.pid for process in more)], strict=True):
                    pin(pid, core)
            yield running
        finally:
            for process in more:
                process.terminate()
                process.wait()


def _start_like(worker: psutil.Process, name: str, home: Path) -> subprocess.Popen[bytes]:
    """Another worker of the same configuration, under a name of its own. Returns once it takes messages."""
    log = home.with_name(f"{home.name}-{name}.log")
    with log.open("wb") as output:
        process = subprocess.Popen([*worker.cmdline(), name], env=worker.environ(), stdout=output, stderr=output)
    give_up_at = time.monotonic() + START_TIMEOUT_S
    while b" ready." not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > give_up_at:
            sys.exit(f"{name} did not start:\n{log.read_text()}")
        time.sleep(0.1)
    return process


def pin(pid: int, core: int) -> None:
    """All threads that the process has; those that it starts later are placed as the one that starts them."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def _turns(sections: dict[str, Section], running: Running, texts: Texts, number: int, turn_s: float) -> None:
    server = servers.ours(running)
    drawn = texts.draw(number, int(TEXTS_PER_S * turn_s))
    warm_up = Order(server.url, server.wire, server.headers, texts.draw(-1, 2000), turn_s / 2, CONNECTIONS, 64)
    outcome = drive(warm_up)
    rate = outcome.messages / outcome.seconds
    per_call = min(server.largest_call, max(64, int(rate * IN_FLIGHT_S / CONNECTIONS)))
    for way, connections, size in ((BULK, CONNECTIONS, per_call), (SINGLES, CLIENTS, 1)):
        watch, before = Watch(), running.cpu_s()
        order = Order(server.url, server.wire, server.headers, drawn, turn_s, connections, size)
        outcome = drive(order)
        used = _used(running, before)
        used["client"] = outcome.client_cpu_s
        sections[way].add(outcome.messages, outcome.seconds, used, outcome.latencies_ms, refused=outcome.refused)
        sections[way].others.append(watch.others(sum(used.values())))
    _jobs_turn(sections[JOBS], running, server, texts.draw(number, JOB_MESSAGES * 20), turn_s)


def _jobs_turn(section: Section, running: Running, server: Server, texts: list[str], turn_s: float) -> None:
    """Work that lies in the database: nearly all of it is the workers' own."""
    seconds = RAMP_S + 3 * turn_s
    order = Order(server.url, server.wire, server.headers, texts, seconds, JOB_COUNT, JOB_MESSAGES)
    with Jobs(order) as jobs:
        time.sleep(RAMP_S)
        before, began_at = running.cpu_s(), time.monotonic()
        time.sleep(3 * turn_s - 0.5)
        used, ended_at = _used(running, before), time.monotonic()
        per_s = jobs.progress().per_s(began_at, ended_at) or 0.0
    section.add(round(per_s * (ended_at - began_at)), ended_at - began_at, used)


def _used(running: Running, before: dict[str, float]) -> dict[str, float]:
    return {program: seconds - before.get(program, 0.0) for program, seconds in running.cpu_s().items()}


if __name__ == "__main__":
    main()
