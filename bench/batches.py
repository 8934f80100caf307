"""A million rows through POST /batches: rows/s, and how much each process grows.

    python -m bench.batches --rows 1000000 --data posts.parquet --json batches.json

The rows of --data (default: the demo posts) are repeated with a number behind each text, so that none occurs twice. A
stack is started for it, since the processes of one in use have grown already.
"""

import argparse
import csv
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from bench.cli import _cpu, _stack
from overheard import demo
from overheard.rows import open_rows, texts
from overheard.settings import Settings

SAMPLE_S = 0.2
PATIENCE_S = 7200
MIB = 1 << 20


def main() -> None:
    options = _options()
    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory(prefix="overheard-bench-", dir=options.scratch) as name:
        folder = Path(name)
        upload, results = folder / "posts.csv", folder / "scored.parquet"
        _write(upload, options.data, options.text_column, options.rows)
        with _stack(folder, console) as settings, _client(settings) as client:
            client.post("/inference", json={"messages": ["warm"]}).raise_for_status()
            with _watched(settings.home) as memory:
                report = {"rows": options.rows, "upload_mib": round(upload.stat().st_size / MIB, 1)}
                report |= _run(client, upload, results, console)
            report["processes"] = memory
        found = pq.read_table(results, columns=["number"]).column("number").to_pylist()
        if found != [str(n) for n in range(options.rows)]:
            sys.exit("the results are not the input's rows in their order")
    report |= {"cpu": _cpu(), "most_growth_mib": max(process["grew_mib"] for process in memory.values())}
    _print(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.batches", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, help="CSV, JSONL or Parquet; without it the demo posts are used")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--scratch", type=Path, help="where the files and the stack's state are kept meanwhile")
    parser.add_argument("--json", type=Path, help="write the numbers here, too")
    return parser.parse_args()


def _write(path: Path, data: Path | None, column: str, rows: int) -> None:
    posts = [post.text for post in demo.posts()]
    if data is not None:
        posts = [text for chunk in open_rows(data).chunks([column]) for text in texts(chunk, column) if text]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["number", "text"])
        writer.writerows((n, f"{text} #{n}") for n, text in enumerate(islice(cycle(posts), rows)))


def _client(settings: Settings) -> httpx2.Client:
    key = settings.api_key_file.read_text().strip()
    headers = {"Authorization": f"Bearer {key}"}
    return httpx2.Client(base_url=f"http://127.0.0.1:{settings.port}", headers=headers, timeout=600, trust_env=False)


def _run(client: httpx2.Client, upload: Path, results: Path, console: Console) -> dict[str, Any]:
    began_at = time.monotonic()
    with upload.open("rb") as file:
        answer = client.post("/batches", content=file, headers={"Content-Type": "text/csv"}).raise_for_status()
    received_at = time.monotonic()
    job_id = answer.json()["job_id"]
    job = _finished(client, job_id, console)
    scored_at = time.monotonic()
    asked = client.stream("GET", f"/batches/{job_id}/results", params={"format": "parquet"})
    with asked as stream, results.open("wb") as file:
        for piece in stream.raise_for_status().iter_bytes():
            file.write(piece)
    return {
        "receive_s": round(received_at - began_at, 1),
        "score_s": round(scored_at - received_at, 1),
        "results_s": round(time.monotonic() - scored_at, 1),
        "rows_per_s": job["progress"]["rows_per_s"],
    }


def _finished(client: httpx2.Client, job_id: str, console: Console) -> dict[str, Any]:
    give_up_at = time.monotonic() + PATIENCE_S
    with console.status("") as status:
        while time.monotonic() < give_up_at:
            job: dict[str, Any] = client.get(f"/jobs/{job_id}").raise_for_status().json()
            if job["state"] == "succeeded":
                return job
            if job["finished_at"]:
                sys.exit(f"the batch has {job['state']}: {job['error']}")
            status.update(f"{job['progress']}")
            time.sleep(1)
    sys.exit(f"not done within {PATIENCE_S} s")


@contextmanager
def _watched(home: Path) -> Iterator[dict[str, dict[str, float]]]:
    """Resident memory of each process of the stack, sampled until the end of the context: at first, and at most."""
    seen: dict[tuple[int, str], list[int]] = {}
    told: dict[str, dict[str, float]] = {}
    stopped = threading.Event()

    def sample() -> None:
        while not stopped.wait(SAMPLE_S):
            for process in _processes(home):
                try:
                    seen.setdefault((process.pid, _name(process)), []).append(process.memory_info().rss)
                except psutil.Error:
                    continue  # it has just ended

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    yield told
    stopped.set()
    thread.join()
    for (pid, name), sizes in sorted(seen.items(), key=lambda item: item[0][1]):
        facts = {"first_mib": sizes[0], "peak_mib": max(sizes), "grew_mib": max(sizes) - sizes[0]}
        told[f"{name} ({pid})"] = {what: round(size / MIB, 1) for what, size in facts.items()}


def _processes(home: Path) -> list[psutil.Process]:
    mark = f"OVERHEARD_HOME={home}".encode()
    found = []
    for process in psutil.process_iter():
        try:
            if mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                found.append(process)
        except OSError:
            continue
    return found


def _name(process: psutil.Process) -> str:
    words = process.cmdline()[1:] or [process.name()]
    return " ".join(Path(word).name for word in words if word != "-m")[:40]


def _print(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(
        f"{report['rows']:,} rows, {report['upload_mib']} MiB: received in {report['receive_s']} s, scored in "
        f"{report['score_s']} s ({report['rows_per_s']:,.0f} rows/s), results in {report['results_s']} s; "
        f"{report['cpu']}"
    )
    table = Table("process", "first, MiB", "peak, MiB", "grew by, MiB", box=None)
    for name, facts in report["processes"].items():
        table.add_row(name, *(f"{size:,.0f}" for size in facts.values()))
    console.print(table)


if __name__ == "__main__":
    main()
