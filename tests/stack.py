"""A real stack for the tests: `overheard up` in a folder of its own, on free ports, as a user would start it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx2
import psutil

from overheard import webhooks

OVERHEARD = str(Path(sys.executable).with_name("overheard"))
T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(look: Callable[[], T], timeout_s: float = 30) -> T:
    """What `look` returns as soon as it is true; fails the test when it never is."""
    deadline = time.monotonic() + timeout_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {look.__name__} says {seen!r}"
        time.sleep(0.05)
    return seen


class RunningStack:
    """`settings` become OVERHEARD_<NAME>; the stack runs from `with` to its end."""

    def __init__(
        self,
        home: Path,
        without: tuple[str, ...] = ("flower", "mlflow", "train"),
        *,
        demo: bool = False,
        **settings: object,
    ) -> None:
        self.home = home
        self.port, self.flower_port = free_port(), free_port()
        ports = {"port": self.port, "flower_port": self.flower_port, "mlflow_port": free_port()}
        said = {"home": home, "feed_hosts": "127.0.0.1", **ports, **settings}
        mine = {f"OVERHEARD_{name.upper()}": str(value) for name, value in said.items()}
        outer = {name: value for name, value in os.environ.items() if not name.startswith("OVERHEARD_")}
        self.environment = {**outer, **mine}
        self.arguments = [OVERHEARD, "up", *(word for name in without for word in ("--without", name))]
        self.arguments += [] if demo else ["--no-demo"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = home.with_name(home.name + ".out")

    def __enter__(self) -> Self:
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                self.arguments, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )
        try:
            eventually(self._is_ready, 120)
        except BaseException:
            self.process.kill()
            raise
        self.key = (self.home / "api_key").read_text().strip()
        self.client = self.new_client(self.key)
        return self

    def _is_ready(self) -> bool:
        text = self.output.read_text()
        assert self.process.poll() is None, text
        return bool(re.search(r"^ready", text, re.MULTILINE))

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.stop()

    def stop(self) -> float:
        """SIGTERM, as an operator would; returns how many seconds it took."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(40)
        return time.monotonic() - began

    def new_client(self, key: str | None) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        limits = httpx2.Limits(max_connections=None)
        return httpx2.Client(base_url=self.url, headers=headers, timeout=120, limits=limits, trust_env=False)

    def infer(self, messages: list[str], **options: Any) -> httpx2.Response:
        return self.client.post("/inference", json={"messages": messages}, **options)

    def push(self, feed: dict[str, Any], posts: list[dict[str, Any]]) -> None:
        """New posts, as a program of the brand's own would send them to this webhook."""
        raw = json.dumps({"posts": posts}).encode()
        signed = webhooks.sign(feed["secret"], raw, int(time.time()))
        headers = {webhooks.HEADER: signed, "Content-Type": "application/json"}
        answer = self.client.post(f"/webhooks/{feed['id']}", content=raw, headers=headers)
        assert answer.json().get("new") == len(posts), answer.text

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def metric(self, name: str) -> float:
        text = self.client.get("/metrics").text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(rf"{name}[ {{]", line))

    def metrics_like(self, start: str) -> float:
        """The sum of all lines of /metrics that start so."""
        lines = self.client.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))

    @property
    def redis_url(self) -> str:
        return str(json.loads((self.home / "stack.json").read_text())["redis_url"])

    def processes(self) -> list[psutil.Process]:
        """All that live in this home, found by what is in their environment."""
        mark = f"OVERHEARD_HOME={self.home}".encode()
        found = []
        for process in psutil.process_iter():
            try:
                if mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                    found.append(process)
            except OSError:
                continue  # it has just ended
        return found

    def program(self, *words: str) -> psutil.Process:
        """The one process whose command ends with these words, like "worker", "ml"."""
        (found,) = [p for p in self.processes() if tuple(p.cmdline()[-len(words) :]) == words]
        return found
