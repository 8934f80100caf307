"""The figures of `bench.scaling` as tables for the docs."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any


def markdown(report: dict[str, Any]) -> str:
    machine = report["machine"]
    conditions = [
        ", ".join((machine["cpu"], f"{machine['cores']} cores", *machine["instructions"], machine["system"])),
        f"load {machine['load_before']} before the start; {report['rounds']} rounds, {report['at']}",
        f"model {report['model']}; {report['data']['name']}: {report['data']['distinct']:,} distinct texts",
        ", ".join(f"{name} {number}" for name, number in report["versions"].items()),
    ]
    ways = list(next(iter(report["cases"].values())))
    programs = sorted({name for row in report["costs"] for name in row["cpu_ms_per_message"]})
    blocks = [
        "\n".join(f"- {line}" for line in conditions),
        _table(("messages/s (times the first row)", *ways, "others' CPU at most"), _throughput(report["cases"], ways)),
        _table(("CPU-ms per message", *programs, "CPU-s per million"), _costs(report["costs"], programs)),
        _table(("messages/s that fill one core of", *programs), _each(report["costs"], "ceilings_per_s", programs)),
        _table(
            ("cores busy at a billion posts a day", *programs),
            _each(report["costs"], "cores_for_a_billion_a_day", programs),
        ),
    ]
    return "\n\n".join(blocks)


def _throughput(cases: dict[str, Any], ways: Sequence[str]) -> Iterator[list[str]]:
    first = next(iter(cases.values()))
    for case, by_way in cases.items():
        rates = [(by_way[way]["per_s"], first[way]["per_s"]) for way in ways]
        others = max((share for way in ways for share in by_way[way]["others_cpu"]), default=0.0)
        shown = (f"{rate:,.0f} ({rate / base:.2f})" if base else f"{rate:,.0f}" for rate, base in rates)
        yield [case, *shown, f"{100 * others:.0f} %"]


def _costs(costs: Iterable[dict[str, Any]], programs: Sequence[str]) -> Iterator[list[str]]:
    for row in costs:
        of_programs = (f"{row['cpu_ms_per_message'].get(name, 0):.3f}" for name in programs)
        yield [row["way"], *of_programs, f"{row['cpu_s_per_million']:,.0f}"]


def _each(costs: Iterable[dict[str, Any]], key: str, programs: Sequence[str]) -> Iterator[list[str]]:
    for row in costs:
        yield [row["way"], *(f"{row[key][name]:,g}" if name in row[key] else "" for name in programs)]


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rule, *rows))
