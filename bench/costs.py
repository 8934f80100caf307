"""From CPU time per message to what it takes to score many: pure arithmetic, on the figures of `bench.scaling`."""

from collections.abc import Mapping
from typing import Any, Final

DAY_S: Final = 86_400
MILLION, BILLION = 1_000_000, 1_000_000_000
CLIENT = "client"  # the bench's own; it runs on somebody else's machine
ALWAYS_ON = ("supervisor", "io", "beat")  # they cost the same whether there is much to score or nothing


def per_message_ms(cpu_ms: Mapping[str, float]) -> dict[str, float]:
    """Those of the programs that the messages pass through."""
    return {name: cost for name, cost in cpu_ms.items() if name != CLIENT and name not in ALWAYS_ON}


def cpu_s_per_million(cpu_ms: Mapping[str, float]) -> float:
    """CPU seconds for a million posts, of all programs that they pass through."""
    return sum(per_message_ms(cpu_ms).values()) * MILLION / 1000


def ceilings_per_s(cpu_ms: Mapping[str, float]) -> dict[str, float]:
    """Messages per second at which one core of each program is full: a worker on one core, one API process, Redis.

    An API process runs one thread of Python at a time and Redis is one thread, so a core is all that either can use.
    """
    return {name: 1000 / cost for name, cost in per_message_ms(cpu_ms).items() if cost > 0}


def cores_for(cpu_ms: Mapping[str, float], messages_per_day: float) -> dict[str, float]:
    """Cores that each program keeps busy, at an even rate all day."""
    per_s = messages_per_day / DAY_S
    return {name: per_s * cost / 1000 for name, cost in per_message_ms(cpu_ms).items()}


def table(ways: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """A row per way of sending: its costs, its ceilings, and what a billion a day keeps busy."""
    return [
        {
            "way": way,
            "cpu_ms_per_message": per_message_ms(cpu_ms),
            "cpu_s_per_million": round(cpu_s_per_million(cpu_ms), 1),
            "ceilings_per_s": {name: round(rate) for name, rate in ceilings_per_s(cpu_ms).items()},
            "cores_for_a_billion_a_day": {name: round(n, 2) for name, n in cores_for(cpu_ms, BILLION).items()},
        }
        for way, cpu_ms in ways.items()
    ]
