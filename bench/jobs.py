"""A client that keeps the bulk lane busy: jobs of thousands of messages, one after the other.

    python -m bench.jobs < order.json > progress.json

An order's `connections` are the jobs under way at once, its `per_call` the messages of one. The bench cuts what this
says into the time before and the time while somebody else asked for single messages.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from bench.http import Connection, request
from bench.load import Order

LOOK_EVERY_S = 0.2
ACCEPTED = 202
ASYNC = {"Prefer": "respond-async"}


@dataclass
class Progress:
    """seen: (time, messages done by all jobs together) whenever that had grown; refused: calls not accepted."""

    began_at: float = 0
    seen: list[tuple[float, int]] = field(default_factory=list)
    refused: int = 0

    def per_s(self, since: float, until: float) -> float | None:
        """Messages per second in that time; None when fewer than two growths fell into it.

        Parts come in bursts, one of each worker's threads: the slope of the line that fits the steps best does not
        hang on where in a burst the time begins and ends, as the difference of two moments would.
        """
        if sum(since <= at <= until for at, _ in self.seen) < 2:
            return None
        times = np.arange(since, until, LOOK_EVERY_S)
        last = np.searchsorted([at for at, _ in self.seen], times, side="right") - 1
        done = np.array([done for _, done in self.seen])[np.maximum(last, 0)]
        return float(np.polyfit(times - since, done, 1)[0])


class Jobs:
    """While it is open, the stack works on jobs."""

    def __init__(self, order: Order) -> None:
        self._order = order

    def __enter__(self) -> "Jobs":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.jobs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin
        self._process.stdin.write(self._order.to_json())
        self._process.stdin.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def progress(self) -> Progress:
        """Waits for the order's end."""
        assert self._process.stdout
        facts = json.loads(self._process.stdout.read())
        return Progress(**{**facts, "seen": [(at, done) for at, done in facts["seen"]]})


def run(order: Order) -> Progress:
    progress = Progress()
    asyncio.run(_keep_busy(replace(order, headers={**order.headers, **ASYNC}), progress))
    return progress


async def _keep_busy(order: Order, progress: Progress) -> None:
    calls, done = iter(order.calls()), [0] * order.connections
    progress.began_at = time.monotonic()
    watcher = asyncio.create_task(_watch(done, progress))
    await asyncio.gather(*(_lane(order, calls, lane, done, progress) for lane in range(order.connections)))
    watcher.cancel()


async def _watch(done: list[int], progress: Progress) -> None:
    while True:
        if not progress.seen or progress.seen[-1][1] != sum(done):
            progress.seen.append((time.monotonic(), sum(done)))
        await asyncio.sleep(LOOK_EVERY_S)


async def _lane(
    order: Order, calls: Iterator[tuple[bytes, int]], lane: int, done: list[int], progress: Progress
) -> None:
    """One job after the other; what is under way at the end is cancelled."""
    until, connection = progress.began_at + order.seconds, await Connection.open(order.url)
    while time.monotonic() < until and (call := next(calls, None)):
        status, answer = await connection.call(call[0])
        if status != ACCEPTED:
            progress.refused += 1
            await asyncio.sleep(LOOK_EVERY_S)
            continue
        path, before = f"/jobs/{json.loads(answer)['job_id']}", done[lane]
        while done[lane] < before + call[1] and time.monotonic() < until:
            await asyncio.sleep(LOOK_EVERY_S)
            _, answer = await connection.call(request(order.url, "GET", path, order.headers))
            done[lane] = before + json.loads(answer)["progress"]["done"]
        if done[lane] < before + call[1]:
            await connection.call(request(order.url, "DELETE", path, order.headers))
    connection.close()


def main() -> None:
    json.dump(asdict(run(Order.from_json(sys.stdin.read()))), sys.stdout)


if __name__ == "__main__":
    main()
