"""A stack for a measurement: `overheard up` on free ports in a folder of its own, and what its processes use."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil  # type: ignore[import-untyped]

from overheard.settings import Settings

OVERHEARD = [sys.executable, "-c", "from overheard.cli import main; main()"]
START_TIMEOUT_S = 180
PORTS = ("port", "flower_port", "mlflow_port")
NO_CACHE = {"OVERHEARD_SCORE_CACHE_BYTES": "0"}
_PROGRAMS = {
    "gunicorn": "api",
    "overheard.batches": "batches",
    "ml": "ml",
    "io": "io",
    "beat": "beat",
    "redis.conf": "redis",
}


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def start(
    home: Path,
    environment: Mapping[str, str] | None = None,
    without: Collection[str] = ("flower", "mlflow"),
    **settings: Any,
) -> Iterator["Running"]:
    """From ready to stopped. `environment`: variables beside the settings."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    chosen = Settings.load(home=home, **(ports | settings))
    command = [*OVERHEARD, "up", "--no-demo", *(word for name in without for word in ("--without", name))]
    log = home.with_name(f"{home.name}.log")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # or a bench that is ended leaves its stack behind
    with log.open("w") as output:
        up = subprocess.Popen(
            command, env=chosen.environment(**(environment or {})), stdout=output, stderr=output, start_new_session=True
        )
    try:
        give_up_at = time.monotonic() + START_TIMEOUT_S
        while not any(line.startswith("ready") for line in log.read_text().splitlines()):
            if up.poll() is not None or time.monotonic() > give_up_at:
                sys.exit(f"the stack did not start:\n{log.read_text()}")
            time.sleep(0.2)
        yield Running(chosen)
    finally:
        up.terminate()
        up.wait()


@dataclass(frozen=True)
class Running:
    """A running stack, seen from outside."""

    settings: Settings

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    @property
    def key(self) -> str:
        return self.settings.api_key_file.read_text().strip()

    @property
    def redis_url(self) -> str:
        return str(json.loads(self.settings.stack_file.read_text())["redis_url"])

    def processes(self) -> dict[str, list[psutil.Process]]:
        """By program: api, ml, io, beat, redis, batches; supervisor is `overheard up` with supervisord."""
        mark = f"OVERHEARD_HOME={self.settings.home}".encode()
        found: dict[str, list[psutil.Process]] = {}
        for process in psutil.process_iter():
            with suppress(OSError, psutil.Error):  # not ours to look at, or it has just ended
                if mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                    found.setdefault(_program(process.cmdline()), []).append(process)
        return found

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds that each program has used so far."""
        times = {name: [process.cpu_times() for process in group] for name, group in self.processes().items()}
        return {name: sum(time.user + time.system for time in group) for name, group in times.items()}

    def rss_mb(self) -> dict[str, float]:
        """Resident memory of each program's largest process, in millions of bytes."""
        return {
            name: round(max(process.memory_info().rss for process in group) / 1e6, 1)
            for name, group in self.processes().items()
        }

    def mapped_by_workers(self, *packages: str) -> list[str]:
        """Those of `packages` from which a scoring worker has a file in its memory."""
        maps = "".join(Path(f"/proc/{process.pid}/maps").read_text() for process in self.processes()["ml"])
        return [package for package in packages if f"/{package}/" in maps]

    def seconds_to_answer(self, program: str, text: str) -> float:
        """Stops the program, which supervisord starts again, and times its start until the stack scores a message."""
        (old,) = self.processes()[program]
        old.terminate()
        old.wait(START_TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx2.Client(base_url=self.url, headers=headers, timeout=START_TIMEOUT_S, trust_env=False) as client:
            while client.post("/inference", json={"messages": [text]}).status_code != httpx2.codes.OK:
                time.sleep(0.02)
        answered_at = time.time()
        (new,) = self.processes()[program]
        return answered_at - float(new.create_time())


def _program(command: list[str]) -> str:
    words = {word.rpartition("/")[2] for word in command}
    return next((name for word, name in _PROGRAMS.items() if word in words), "supervisor")
