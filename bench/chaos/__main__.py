"""Breaks one thing after the other of a real stack under load, and says what became of all that was accepted.

    make chaos                                       # every fault, on PostgreSQL and on SQLite
    python -m bench.chaos --only Redis --database sqlite

Exit status 1 when anything was lost or doubled, or did not come to rest.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import docs
from bench.chaos import report
from bench.chaos.audit import audit, left, settle
from bench.chaos.faults import FAULTS, Fault
from bench.chaos.house import House, eventually
from bench.chaos.ledger import Ledger
from bench.chaos.load import Load
from bench.machine import machine, versions
from tests.databases import postgres_programs

CALM_S = 4.0
RECOVER_S = 120


def main() -> None:
    options = _options()
    found = _together([json.loads(path.read_text()) for path in options.earlier]) if options.earlier else _run(options)
    print(report.markdown(found))
    if options.docs:
        docs.fill(options.docs, "chaos", report.markdown(found))
    sys.exit(not report.is_good(found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", metavar="WORDS", help="faults whose names hold these words")
    parser.add_argument("--database", action="append", choices=("postgresql", "sqlite"), help="unset: both")
    parser.add_argument("--without", action="append", default=[], help="a program that is left out")
    parser.add_argument("--pace", type=float, default=1.0, help="times the usual load, for machines with other work")
    parser.add_argument("--json", type=Path, default=Path("var/bench/chaos.json"))
    parser.add_argument("--docs", type=Path, help="page to put the report into")
    parser.add_argument(
        "--from", type=Path, dest="earlier", action="append", metavar="JSON", help="reports of earlier runs, together"
    )
    parser.add_argument("--keep", action="store_true", help="leave the folder with the logs")
    return parser.parse_args()


def _together(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {**found[0], "faults": [fault for one in found for fault in one["faults"]]}


def _run(options: argparse.Namespace) -> dict[str, Any]:
    """PostgreSQL with the machine's clock, SQLite with one that can be set, and with Flower and MLflow."""
    found: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(os.getloadavg()[0]),
        "versions": versions("sqlalchemy", "psycopg"),
        "pace": options.pace,
        "without": options.without,
        "faults": [],
    }
    wanted = [f for f in FAULTS if not options.only or any(words.lower() in f.name.lower() for words in options.only)]
    for database in options.database or (["postgresql"] if postgres_programs() else []) + ["sqlite"]:
        folder = Path(tempfile.mkdtemp(prefix="overheard-chaos-"))
        print(f"logs: {folder}/home/logs", file=sys.stderr)
        is_large = database == "postgresql"
        without = {*options.without, *(("flower", "mlflow") if is_large else ())}
        with House(folder, postgres=is_large, can_set_clock=not is_large, without=without) as house:
            for number, fault in enumerate(wanted):
                facts = {"database": database, "name": fault.name, **_try(house, fault, f"chaos{number}", options.pace)}
                found["faults"].append(facts)
                print(report.line(facts), file=sys.stderr, flush=True)
                options.json.parent.mkdir(parents=True, exist_ok=True)
                options.json.write_text(json.dumps(found, indent=1) + "\n")
            if options.keep:
                shutil.copytree(house.home / "logs", folder / "logs")
    return found


def _try(house: House, fault: Fault, name: str, pace: float) -> dict[str, Any]:
    if reason := fault.lacks(house):
        return {"skipped": reason}
    ledger, began_at = Ledger(), time.monotonic()
    problem, recovered_s = "", None
    with Load(name, house.door(name), house.known, ledger, pace) as load:
        if fault.trains and "train" in house.programs():
            load.train()
        time.sleep(CALM_S)
        try:
            fault.strike(house)
        except Exception:
            problem = traceback.format_exc()
        cleared_at = time.monotonic()
        eventually(lambda: ledger.is_well_since(cleared_at) is not None, RECOVER_S)
        recovered_s = ledger.is_well_since(cleared_at)
        time.sleep(CALM_S)
    is_settled = settle(house, ledger, name)
    settled_s = time.monotonic() - cleared_at
    ids = [job_id for kind in ("jobs", "batches") for job_id, _ in ledger.accepted[kind].values()]
    return {
        "fates": {kind: asdict(fate) for kind, fate in audit(house, ledger, name).items()},
        "errors": dict(ledger.errors),
        "recovered_s": recovered_s,
        "settled_s": settled_s if is_settled else None,
        "left": {} if is_settled else {**left(house, ids, name), "well": house.is_well()},
        "problem": problem,
        "seconds": time.monotonic() - began_at,
    }


if __name__ == "__main__":
    main()
