"""What the figures of a run have to reach, and whether they do: pure functions of the report."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bench.measure import BESIDE, BULK, ENGINE, IDLE, LOOP, SINGLES
from bench.models import ROBERTA, STARTER


@dataclass(frozen=True)
class Check:
    """`value` has to be at least, or at most, `limit`; None: it was not measured, and that is a failure."""

    model: str
    what: str
    value: float | None
    relation: Literal[">=", "<="]
    limit: float
    unit: str = ""

    @property
    def passes(self) -> bool:
        if self.value is None:
            return False
        return self.value >= self.limit if self.relation == ">=" else self.value <= self.limit

    def facts(self) -> dict[str, Any]:
        return {**asdict(self), "passes": self.passes}


def checks(models: list[dict[str, Any]]) -> list[Check]:
    """For each model of the report those that it has to pass, whatever its name: the lanes; by name: the others."""
    return [check for model in models for check in _of(model)]


def _of(model: dict[str, Any]) -> Iterator[Check]:
    name, sections = model["name"], model["sections"]
    loop, engine = _rate(sections, LOOP), _rate(sections, ENGINE)
    bulk, singles = _rate(sections, f"HTTP, {BULK}"), _rate(sections, f"HTTP, {SINGLES}")
    if name == STARTER:
        yield Check(name, "engine, times the loop", _ratio(engine, loop), ">=", 9)
        yield Check(name, "HTTP in bulk, times the loop", _ratio(bulk, loop), ">=", 7.5)
        yield Check(name, "HTTP in bulk, share of the engine", _ratio(bulk, engine), ">=", 0.85)
        yield Check(name, "32 clients, times the loop", _ratio(singles, loop), ">=", 4)
        yield Check(name, "one client, p50 above the bare pass", _above_the_pass(model), "<=", 10, "ms")
    if name == ROBERTA:
        yield Check(name, "HTTP in bulk, times the loop", _ratio(bulk, loop), ">=", 11)
    yield from _lanes(model)
    if name == STARTER:
        yield from _processes(model)


def _lanes(model: dict[str, Any]) -> Iterator[Check]:
    idle, beside = (model["sections"][f"HTTP, {way}"] for way in (IDLE, BESIDE))
    full_pass_ms, idle_ms = model["full_pass"]["p50_ms"], idle.get("p50_ms")
    limit_ms = 5 * idle_ms + full_pass_ms if idle_ms is not None else 0.0
    what = "single messages beside a bulk job, p99 (5 x idle p50 + one pass)"
    yield Check(model["name"], what, beside.get("p99_ms"), "<=", round(limit_ms, 1), "ms")
    jobs = model["bulk_jobs"]
    kept = _ratio(jobs["beside_per_s"], jobs["alone_per_s"])
    yield Check(model["name"], "bulk job beside single messages, share of its speed", kept, ">=", 0.8)


def _processes(model: dict[str, Any]) -> Iterator[Check]:
    name, stack = model["name"], model["stack"]
    yield Check(name, "libraries of torch and mlflow in the scoring worker", len(stack["mapped"]), "<=", 0)
    yield Check(name, "scoring worker, resident", stack["rss_mb"].get("ml"), "<=", 400, "MB")
    yield Check(name, "scoring worker, from its start to an answer", stack["worker_ready_s"], "<=", 3, "s")
    yield Check(name, "API process, resident", stack["rss_mb"].get("api"), "<=", 150, "MB")


def _above_the_pass(model: dict[str, Any]) -> float | None:
    idle_ms, pass_ms = model["sections"][f"HTTP, {IDLE}"].get("p50_ms"), model["single_pass"]["p50_ms"]
    return None if idle_ms is None or pass_ms is None else round(idle_ms - pass_ms, 2)


def _rate(sections: dict[str, Any], way: str) -> float:
    return float(sections.get(way, {}).get("per_s", 0))


def _ratio(rate: float | None, base: float | None) -> float | None:
    return round(rate / base, 3) if base and rate is not None else None
