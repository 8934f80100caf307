"""Rates and latencies over all rounds of a section."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all do not exceed (nearest rank); NaN when there is none."""
    if not values:
        return math.nan
    rank = max(1, math.ceil(percent / 100 * len(values)))
    return sorted(values)[rank - 1]


def latencies(values_ms: Sequence[float]) -> dict[str, float | int | None]:
    """Milliseconds at p50, p95 and p99 of n values; None where there is no value."""
    shares = {f"p{percent}_ms": percentile(values_ms, percent) for percent in (50, 95, 99)}
    rounded = {name: None if math.isnan(value) else round(value, 2) for name, value in shares.items()}
    return {**rounded, "n": len(values_ms)}


@dataclass
class Section:
    """What one way of scoring did, round after round.

    cpu_s: seconds of CPU by program, the client included. others: which share of the machine's CPU went to processes
    that were not meant, each round: figures of a round in which that is much are the others' fault.
    """

    messages: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    cpu_s: dict[str, float] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    others: list[float] = field(default_factory=list)

    def add(
        self,
        messages: int,
        seconds: float,
        cpu_s: dict[str, float],
        latencies_ms: Iterable[float] = (),
        late_ms: Iterable[float] = (),
        refused: dict[str, int] | None = None,
    ) -> None:
        self.messages.append(messages)
        self.seconds.append(seconds)
        self.latencies_ms += latencies_ms
        self.late_ms += late_ms
        add_up(self.cpu_s, cpu_s)
        add_up(self.refused, refused or {})

    @property
    def per_s(self) -> float:
        """Messages per second, over all rounds."""
        return sum(self.messages) / sum(self.seconds) if sum(self.seconds) else 0.0

    def facts(self) -> dict[str, Any]:
        """For the report."""
        total = sum(self.messages)
        rounds = [round(m / s, 1) if s else 0.0 for m, s in zip(self.messages, self.seconds, strict=True)]
        facts: dict[str, Any] = {"per_s": round(self.per_s, 1), "rounds_per_s": rounds, "messages": total}
        facts["cpu_ms_per_message"] = {
            name: round(1000 * seconds / total, 3) if total else None for name, seconds in sorted(self.cpu_s.items())
        }
        if self.latencies_ms:
            facts |= latencies(self.latencies_ms)
        if self.late_ms:
            facts["client_late_p99_ms"] = round(percentile(self.late_ms, 99), 2)
        return {**facts, "refused": self.refused, "others_cpu": [round(share, 2) for share in self.others]}


def add_up(total: dict[str, Any], more: dict[str, Any]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount
