"""A client in a process of its own, that calls and keeps the time, but never looks into an answer.

    python -m bench.load < order.json > outcome.json

A closed client sends when its answer has come. An open one sends at random times chosen beforehand, whether or not
answers have come, and counts from the time at which it meant to send: no queue hides behind a client that waits.
"""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.http import Connection, Wire, request

OK = 200


@dataclass(frozen=True)
class Order:
    """What to send. rate_per_s: calls of an open client; None: a closed one on `connections` connections."""

    url: str
    wire: Wire
    headers: Mapping[str, str]
    texts: list[str]
    seconds: float
    connections: int = 1
    per_call: int = 1
    rate_per_s: float | None = None
    seed: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Order":
        facts = json.loads(text)
        return cls(**{**facts, "wire": Wire(**facts["wire"])})

    def calls(self) -> list[tuple[bytes, int]]:
        """Whole requests, and how many messages are in each."""
        pieces = [self.texts[start : start + self.per_call] for start in range(0, len(self.texts), self.per_call)]
        return [
            (request(self.url, "POST", self.wire.path, self.headers, self.wire.body(piece)), len(piece))
            for piece in pieces
        ]


@dataclass
class Outcome:
    """What came of an order.

    seconds: from the first call to the last answer. latencies_ms: of answered calls, in the order of their answers.
    refused: messages by what was answered instead of 200. late_ms: how long after the intended time an open client
    sent. client_cpu_s: what the client itself cost. began_at: on the clock that all processes of a machine share.
    """

    messages: int = 0
    seconds: float = 0
    latencies_ms: list[float] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    late_ms: list[float] = field(default_factory=list)
    client_cpu_s: float = 0
    began_at: float = 0

    def refuse(self, reason: str, messages: int) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + messages


def arrivals(rate_per_s: float, seconds: float, seed: int) -> list[float]:
    """Seconds after the start at which an open client sends: a Poisson process, the same for the same seed."""
    chance = random.Random(seed)
    times: list[float] = []
    at = chance.expovariate(rate_per_s)
    while at < seconds:
        times.append(at)
        at += chance.expovariate(rate_per_s)
    return times


def run(order: Order) -> Outcome:
    """In this process: for what is measured, `drive` takes one of its own."""
    outcome = Outcome()
    asyncio.run(_open(order, outcome) if order.rate_per_s else _closed(order, outcome))
    return outcome


def drive(order: Order) -> Outcome:
    """Run the order in a process of its own, to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"], input=order.to_json(), stdout=subprocess.PIPE, text=True, check=True
    )
    return Outcome(**json.loads(done.stdout))


async def _closed(order: Order, outcome: Outcome) -> None:
    calls = iter(order.calls())

    async def client(connection: Connection) -> None:
        while time.monotonic() < until and (call := next(calls, None)):
            connection = await _measure(connection, order.url, *call, time.monotonic(), outcome)
        connection.close()

    connections = [await Connection.open(order.url) for _ in range(order.connections)]
    outcome.began_at, began_cpu_s = time.monotonic(), time.process_time()
    until = outcome.began_at + order.seconds
    await asyncio.gather(*map(client, connections))
    outcome.client_cpu_s = time.process_time() - began_cpu_s


async def _open(order: Order, outcome: Outcome) -> None:
    assert order.rate_per_s is not None
    calls, times = order.calls(), arrivals(order.rate_per_s, order.seconds, order.seed)
    idle = [await Connection.open(order.url) for _ in range(order.connections)]

    async def send(call: bytes, messages: int, intended: float) -> None:
        connection = idle.pop() if idle else await Connection.open(order.url)
        outcome.late_ms.append(1000 * (time.monotonic() - intended))
        idle.append(await _measure(connection, order.url, call, messages, intended, outcome))

    outcome.began_at, began_cpu_s = time.monotonic(), time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for call, at in zip(calls, times, strict=False):
            intended = outcome.began_at + at
            await asyncio.sleep(intended - time.monotonic())
            tasks.create_task(send(*call, intended))
    outcome.client_cpu_s = time.process_time() - began_cpu_s
    for connection in idle:
        connection.close()


async def _measure(
    connection: Connection, url: str, call: bytes, messages: int, since: float, outcome: Outcome
) -> Connection:
    """Returns the connection for the next call: another one when the server has hung up."""
    try:
        status, _ = await connection.call(call)
    except ConnectionError as error:
        outcome.refuse(str(error), messages)
        connection.close()
        return await Connection.open(url)
    now = time.monotonic()
    outcome.seconds = now - outcome.began_at
    if status == OK:
        outcome.messages += messages
        outcome.latencies_ms.append(1000 * (now - since))
    else:
        outcome.refuse(str(status), messages)
    return connection


def main() -> None:
    outcome: dict[str, Any] = asdict(run(Order.from_json(sys.stdin.read())))
    json.dump(outcome, sys.stdout)


if __name__ == "__main__":
    main()
