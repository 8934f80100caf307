"""A real stack under steady load, and the memory of each of its processes while it works.

    python -m bench.soak --minutes 20 --docs docs/chaos.md --svg docs/images/soak.svg

Every kind of call comes at a steady pace, a small model is trained every few minutes, nothing is broken. What a process
grows by is the slope of its resident memory after a warm-up. Exit status 1 when one grows by more than noise, or when
anything that was accepted is lost or doubled.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psutil  # type: ignore[import-untyped]

from bench import docs, soak_report
from bench.chaos.audit import audit, settle
from bench.chaos.house import House
from bench.chaos.ledger import Ledger
from bench.chaos.load import Load
from bench.machine import Watch, machine, versions

EVERY_S: Final = 5.0
TRAIN_EVERY_S: Final = 240.0
NAME: Final = "soak"


def main() -> None:
    options = _options()
    found = json.loads(options.earlier.read_text()) if options.earlier else _run(options)
    print(soak_report.markdown(found))
    if options.svg:
        options.svg.write_text(soak_report.svg(found))
    if options.docs:
        docs.fill(options.docs, "soak", soak_report.markdown(found))
    sys.exit(not soak_report.is_good(found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--pace", type=float, default=1.0, help="times the load of `make chaos`")
    parser.add_argument("--without", action="append", default=[], help="a program that is left out")
    parser.add_argument("--json", type=Path, default=Path("var/bench/soak.json"))
    parser.add_argument("--docs", type=Path, help="page to put the figures into")
    parser.add_argument("--svg", type=Path, help="picture to draw")
    parser.add_argument("--from", type=Path, dest="earlier", metavar="JSON", help="figures of an earlier run")
    return parser.parse_args()


def _run(options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(os.getloadavg()[0]),
        "versions": versions("sqlalchemy"),
        "minutes": options.minutes,
        "others_cpu": 0.0,
        "is_settled": False,
        "fates": {},
    }
    folder, ledger = Path(tempfile.mkdtemp(prefix="overheard-soak-")), Ledger()
    with House(folder, postgres=False, can_set_clock=False, without=options.without) as house:
        busy = Watch()
        with Load(NAME, house.door(NAME), house.known, ledger, options.pace) as load:
            found["samples"] = _watch(house, load, 60 * options.minutes)
            _keep(options.json, found)  # whatever becomes of the rest
        found["others_cpu"] = busy.others(sum(house.running.cpu_s().values()))
        found["is_settled"] = settle(house, ledger, NAME)
        found["fates"] = {kind: asdict(fate) for kind, fate in audit(house, ledger, NAME).items()}
        found["errors"] = dict(ledger.errors)
    _keep(options.json, found)
    return found


def _keep(place: Path, found: dict[str, Any]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(found) + "\n")


def _watch(house: House, load: Load, seconds: float) -> dict[str, list[tuple[float, int, int]]]:
    """Process -> (seconds since the start, RSS, PSS) in bytes."""
    began_at, train_at = time.monotonic(), 0.0
    samples: dict[str, list[tuple[float, int, int]]] = {}
    while (now := time.monotonic() - began_at) < seconds:
        if now >= train_at:
            load.train_beside()
            train_at += TRAIN_EVERY_S
        for name, process in _processes(house):
            with suppress(psutil.Error, OSError):  # it has just ended
                samples.setdefault(f"{name} {process.pid}", []).append((now, *_memory(process.pid)))
        time.sleep(max(0.0, EVERY_S - (time.monotonic() - began_at - now)))
    return samples


def _processes(house: House) -> list[tuple[str, psutil.Process]]:
    supervisord = house.supervisord()
    found = [("supervisord", supervisord), ("up", supervisord.parent())]
    for program in house.programs():
        first = house.process(program)
        found += [(program, first), *((f"{program}'s child", child) for child in first.children(recursive=True))]
    return found


def _memory(pid: int) -> tuple[int, int]:
    """RSS and PSS in bytes. Raises OSError."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    told = {line.partition(":")[0]: line.split()[1] for line in lines[1:]}
    return 1024 * int(told["Rss"]), 1024 * int(told["Pss"])


if __name__ == "__main__":
    main()
