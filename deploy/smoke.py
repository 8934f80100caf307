"""Whether a running stack does its work, from the outside: `OVERHEARD_API_KEY=... python deploy/smoke.py URL`.

Scores messages and a file, trains a tiny model on labelled rows that the training worker can read, and looks that
everything is told of in /jobs, /models and /metrics. It needs nothing but Python; what it leaves is three jobs and a
version that is not promoted. Ends with status 1 and the reason at the first thing that is not as it must be.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

DEMO = "/opt/overheard/lib/python3.11/site-packages/overheard/demo/posts.jsonl"
MESSAGES = ("I love it, best purchase of the year", "Never again. Broken after a day, and nobody answers")
ROWS = "id,text\n" + "".join(f"{n},Post {n}: what a lovely day\n" for n in range(500))


class Failed(Exception):
    """Raised when the stack does not do what it must; says what."""


class Api:
    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url.rstrip("/"), key

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> bytes:
        """Raises Failed for a status of 400 and more."""
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
        headers = {"Authorization": f"Bearer {self._key}", **({"Content-Type": kind} if data else {})}
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # nosec B310 - who runs this says where
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise Failed(f"{method} {path}: {error.code} {error.read(500).decode(errors='replace')}") from error
        except OSError as error:
            raise Failed(f"{method} {path}: {error}") from error

    def json(self, *arguments: Any) -> Any:
        return json.loads(self.call(*arguments))

    def finished(self, job_id: str, timeout_s: float) -> Any:
        def ended() -> Any:
            job = self.json("GET", f"/jobs/{job_id}")
            return job if job["state"] in ("succeeded", "failed", "cancelled") else None

        job = until(ended, timeout_s, f"job {job_id}")
        require(job["state"] == "succeeded", f"job {job_id}: {job['state']}, {job['error']}")
        return job


def until(look: Callable[[], Any], timeout_s: float, what: str) -> Any:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if seen := look():
                return seen
            reason = "not yet"
        except Failed as error:
            reason = str(error)
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {timeout_s:.0f} s; last: {reason}")
        time.sleep(1)


def require(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise Failed(otherwise)


def scores(api: Api) -> str:
    loved, hated = api.json("POST", "/inference", {"messages": MESSAGES})
    require(loved["positive"] > loved["negative"], f"{MESSAGES[0]!r} is said to be {loved}")
    require(hated["negative"] > hated["positive"], f"{MESSAGES[1]!r} is said to be {hated}")
    return "2 messages"


def scores_a_file(api: Api) -> str:
    job_id = api.json("POST", "/batches", ROWS, "text/csv")["job_id"]
    api.finished(job_id, 300)
    lines = api.call("GET", f"/batches/{job_id}/results").decode().splitlines()
    require(len(lines) == 501, f"{len(lines)} lines instead of 501")
    return "500 rows"


def trains(api: Api, data: str, timeout_s: float) -> str:
    job_id = api.json("POST", "/train/start", {"data": data, "epochs": 1, "allow_slower": True})["job_id"]
    model = api.finished(job_id, timeout_s)["facts"]["model"]
    versions = [told["version"] for told in api.json("GET", "/models")["models"]]
    require(model in versions, f"{model} is not among {versions}")
    require(api.json("GET", "/train/get_state")["done"], "/train/get_state does not say that it is done")
    return f"version {model}"


def remembers(api: Api) -> str:
    state = api.json("GET", "/train/get_state")
    require(bool(state.get("done")), f"the newest training is {state}")
    return f"version {state['progress'].get('model')}"


def is_watched(api: Api) -> str:
    text = api.call("GET", "/metrics").decode()
    require('overheard_jobs{state="succeeded"}' in text, "/metrics does not count jobs")
    require("overheard_worker_heartbeat_age_seconds{" in text, "/metrics knows of no scoring worker")
    return f"{text.count('# TYPE')} metrics"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8000")
    parser.add_argument("--data", default=DEMO, help="labelled rows, where the training worker finds them")
    parser.add_argument("--look", action="store_true", help="begin no training; the newest one must have ended")
    parser.add_argument("--timeout", type=float, default=1200, help="seconds that the training may take")
    given = parser.parse_args()
    api = Api(given.url, os.environ["OVERHEARD_API_KEY"])
    train = (lambda: remembers(api)) if given.look else (lambda: trains(api, given.data, given.timeout))
    steps: list[tuple[str, Callable[[], str]]] = [
        (
            "is ready",
            lambda: ", ".join(until(lambda: api.json("GET", "/health/ready"), 300, "/health/ready")["models"]),
        ),
        ("scores", lambda: scores(api)),
        ("scores a file", lambda: scores_a_file(api)),
        ("has trained" if given.look else "trains", train),
        ("is watched", lambda: is_watched(api)),
    ]
    for name, step in steps:
        began = time.monotonic()
        try:
            told = step()
        except Failed as error:
            sys.exit(f"{name}: {error}")
        print(f"{name}: {told} ({time.monotonic() - began:.1f} s)", flush=True)


if __name__ == "__main__":
    main()
