"""A stack that can be broken: its processes, its queue, its database, its disk and its clock each have a lever."""

import json
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self
from xmlrpc.client import ServerProxy

import httpx2
import psutil  # type: ignore[import-untyped]
from redis import Redis

from bench.chaos.load import LABELS, Door, Known
from bench.stack import PORTS, Running, free_ports, start
from overheard import demo
from overheard.stack.supervisor import DOOR, Supervisor
from overheard.store.database import Database
from tests.checkpoints import save_checkpoint
from tests.databases import PostgresServer
from tests.toy import write_toy

TEXTS: Final = 80
DISK: Final = "256m"
EAGER: Final = {"lease_s": 12, "visibility_s": 12, "reap_every_s": 3, "checkpoint_every_s": 2, "inspect_every_s": 10}
"""Notices losses sooner than the defaults, so that a run takes minutes and not an hour."""
NEVER_PROMOTES: Final = {"min_test_rows": 1_000_000}  # one model, so that each answer can be told from any other

SMALL: Final = {"keep_free_bytes": 16_000_000}  # of DISK


class House:
    """From `with` to its end. postgres: else SQLite. can_set_clock: every process runs on a clock of our own.

    without: programs that are left out, as of `overheard up`.
    """

    def __init__(self, folder: Path, *, postgres: bool, can_set_clock: bool, without: Collection[str] = ()) -> None:
        self.home, self.scratch = folder / "home", folder / "scratch"
        self.postgres = PostgresServer() if postgres else None
        self.can_set_clock = can_set_clock and bool(shutil.which("cc"))
        self._without = without
        self._clock = folder / "clock"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.scratch.mkdir(parents=True, exist_ok=True)
            self.home.mkdir(exist_ok=True)
            self.is_small = stack.enter_context(_small_disk(self.home))
            settings = dict(zip(PORTS, free_ports(len(PORTS)), strict=True)) | EAGER | NEVER_PROMOTES | SMALL
            if self.postgres:
                settings["database_url"] = stack.enter_context(self.postgres).url
            self._settings = {"score_cache_bytes": 0, **settings}
            self._training = {
                "base": str(save_checkpoint("bert", self.scratch / "base")),
                "data": str(write_toy(self.scratch / "toy.csv", 3000, seed=1)),
                "epochs": 6,
            }
            self.up()
            stack.callback(self.down)
            self.database = Database(self.running.settings.sql_url)
            stack.callback(self.database.engine.dispose)
            self.known = self._ask_for_known()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def up(self) -> None:
        self._up: AbstractContextManager[Running] = start(
            self.home, self._environment(), self._without, **self._settings
        )
        self.running = self._up.__enter__()

    def down(self) -> None:
        self._up.__exit__(None, None, None)

    def kill_up(self) -> None:
        """`overheard up` and supervisord, which then do not clean up after themselves."""
        up, supervisord = self.supervisord().parent(), self.supervisord()
        for process in (up, supervisord):
            process.kill()

    def _environment(self) -> dict[str, str]:
        if not self.can_set_clock:
            return {}
        library = self._clock.with_suffix(".so")
        source = Path(__file__).with_name("clock.c")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
        self._clock.write_bytes(bytes(8))
        return {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(self._clock)}

    def set_clock(self, ahead_s: int) -> None:
        with self._clock.open("r+b") as clock:
            clock.write(struct.pack("q", ahead_s))

    def supervisord(self) -> psutil.Process:
        return self.process("redis").parent()

    def process(self, program: str) -> psutil.Process:
        """The one that supervisord started."""
        return psutil.Process(Supervisor(self.home).states()[program].pid)

    def programs(self) -> list[str]:
        return list(Supervisor(self.home).states())

    def kill(self, *programs: str) -> None:
        """kill -9, without their children."""
        for process in [self.process(program) for program in programs]:
            process.kill()

    def kill_children(self, program: str) -> None:
        children = self.process(program).children(recursive=True)
        assert children, f"{program} has no children"
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()

    def stop(self, program: str) -> None:
        """As an operator would: it does not come back by itself."""
        self._tell("stopProcess", program)

    def start(self, program: str) -> None:
        self._tell("startProcess", program)

    def _tell(self, method: str, program: str) -> None:
        door = json.loads((self.home / "run" / DOOR).read_text())
        with ServerProxy(f"http://up:{door['password']}@127.0.0.1:{door['port']}/RPC2") as proxy:
            groups = {row["name"]: row["group"] for row in proxy.supervisor.getAllProcessInfo()}  # type: ignore[union-attr,index]
            getattr(proxy.supervisor, method)(f"{groups[program]}:{program}")

    def redis(self) -> Redis:
        return Redis.from_url(self.running.redis_url)

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        ballast = self.home / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(65536))
        try:
            yield
        finally:
            ballast.unlink()

    def is_well(self) -> bool:
        """All programs run, and the API says that it is ready."""
        try:
            states = Supervisor(self.home).states().values()
            ready = httpx2.get(f"{self.running.url}/health/ready", timeout=5, trust_env=False).status_code
        except Exception:  # whatever is broken just now
            return False
        return ready == httpx2.codes.OK and all(state.state == "RUNNING" for state in states)

    def door(self, name: str) -> Door:
        """With a brand and a webhook of that name."""
        with self._client() as client:
            answer = client.post("/brands", json={"name": name, "sources": [f"webhook:{name}"]})
            answer.raise_for_status()
            (feed,) = answer.json()["feeds"]
        return Door(self.running.url, self.running.key, feed["push_url"], feed["secret"], self._training)

    def _client(self) -> httpx2.Client:
        return Door(self.running.url, self.running.key, "", "", {}).client()

    def _ask_for_known(self) -> Known:
        texts = sorted({post.text for post in demo.posts()}, key=len)[:TEXTS]
        with self._client() as client:
            answer = client.post("/inference", json={"messages": texts}, params={"wait": 120})
            answer.raise_for_status()
        return Known(texts, [[row[label] for label in LABELS] for row in answer.json()])


@contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """A file system of its own of size DISK, where root may mount one; says whether."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "overheard-chaos", str(folder)]
    is_small = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield is_small
    finally:
        if is_small:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def eventually(look: Callable[[], Any], timeout_s: float, every_s: float = 0.2) -> bool:
    """Whether it became true in time."""
    until = time.monotonic() + timeout_s
    while not look():
        if time.monotonic() > until:
            return False
        time.sleep(every_s)
    return True
