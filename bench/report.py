"""A run's figures as a table for the terminal and as one for the docs. The report is what the JSON file holds."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.measure import BESIDE, IDLE, LOOP, OPEN

HEADINGS = ("", "x loop", "messages/s", "each round", "p50 ms", "p95 ms", "p99 ms", "refused", "others' CPU")
CHECK_HEADINGS = ("", "measured", "", "wanted", "")
OWN_PACE = (IDLE, OPEN, BESIDE)  # their rate is the client's choice, so it compares with nothing
JOBS = {"alone": "HTTP, bulk jobs", "beside": "HTTP, bulk jobs beside single messages"}
WIDE = 140  # columns, where the output is no terminal that knows better


def lines(model: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """A row of HEADINGS per way of scoring, in the order in which they were measured."""
    loop = model["sections"][LOOP]["per_s"]
    for way, facts in model["sections"].items():
        compares = loop and not way.endswith(OWN_PACE)
        yield (
            way,
            f"{facts['per_s'] / loop:.2f}" if compares else "",
            _rate(facts["per_s"]),
            ", ".join(f"{rate:,.0f}" for rate in facts["rounds_per_s"]),
            *_latencies(facts),
            ", ".join(f"{count} ({reason})" for reason, count in facts["refused"].items()),
            ", ".join(f"{100 * share:.0f} %" for share in facts["others_cpu"]),
        )
    yield ("bare forward pass, one message", "", "", "", *_latencies(model["single_pass"]), "", "")
    yield ("forward pass of a bulk job", "", "", "", *_latencies(model["full_pass"]), "", "")
    jobs = model["bulk_jobs"]
    for place, kind in enumerate(JOBS):
        rounds = ", ".join(f"{pair[place]:,.0f}" for pair in jobs["rounds_per_s"])
        if (rate := jobs[f"{kind}_per_s"]) is not None:
            yield (JOBS[kind], f"{rate / loop:.2f}" if loop else "", _rate(rate), rounds, "", "", "", "", "")


def costs(model: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Milliseconds of CPU per message by program, for each way that has several programs."""
    sections = model["sections"].items()
    return {way: facts["cpu_ms_per_message"] for way, facts in sections if "api" in facts["cpu_ms_per_message"]}


def check_lines(report: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """A row of CHECK_HEADINGS per check."""
    for check in report["checks"]:
        value = "not measured" if check["value"] is None else f"{check['value']:g} {check['unit']}".strip()
        wanted = f"{check['limit']:g} {check['unit']}".strip()
        verdict = "passes" if check["passes"] else "FAILS"
        yield (f"{check['model']}: {check['what']}", value, check["relation"], wanted, verdict)


def conditions(report: dict[str, Any]) -> list[str]:
    """On what, with what, from what: lines of text."""
    machine, data = report["machine"], report["data"]
    return [
        ", ".join((machine["cpu"], f"{machine['cores']} cores", *machine["instructions"], machine["system"])),
        f"load {machine['load_before']} before the start",
        f"{data['name']}: {data['distinct']:,} distinct texts, no text twice in a turn, caches off",
        *map(_model, report["models"]),
        ", ".join(f"{name} {number}" for name, number in report["versions"].items()),
        f"{report['at']}, {report['rounds']} rounds" + (", QUICK: no figures to quote" if report["quick"] else ""),
    ]


def _model(model: dict[str, Any]) -> str:
    threads = ", ".join(f"{name} on {count} threads" for name, count in model["threads"].items())
    return f"{model['name']}: {model['mean_tokens']} tokens per text, {threads}"


def show(report: dict[str, Any], console: Console) -> None:
    console.print("\n".join(conditions(report)))
    for model in report["models"]:
        table = Table(model["name"], *HEADINGS[1:], box=None, title_justify="left")
        for column in table.columns[1:]:
            column.justify = "right"
        for cells in lines(model):
            table.add_row(*cells)
        console.print(table)
    table = Table("Done when", *CHECK_HEADINGS[1:], box=None)
    for cells in check_lines(report):
        table.add_row(*cells, style="" if cells[-1] == "passes" else "red")
    console.print(table)


def markdown(report: dict[str, Any]) -> str:
    """For the docs: conditions, a table per model, the checks, the costs."""
    models = report["models"]
    blocks = [
        "\n".join(f"- {line}" for line in conditions(report)),
        *(_table((f"**{model['name']}**", *HEADINGS[1:]), lines(model)) for model in models),
        _table(("**done when**", *CHECK_HEADINGS[1:]), check_lines(report)),
        *map(_costs, models),
        *map(_resident, models),
    ]
    return "\n\n".join(blocks)


def _costs(model: dict[str, Any]) -> str:
    spent = costs(model)
    programs = sorted({program for by_program in spent.values() for program in by_program})
    cells = {way: [by[name] if by.get(name) is not None else 0.0 for name in programs] for way, by in spent.items()}
    rows = ((way, *(f"{cost:.2f}" for cost in of_way)) for way, of_way in cells.items())
    return _table((f"**{model['name']}**, CPU-ms per message", *programs), rows)


def _resident(model: dict[str, Any]) -> str:
    sizes = ", ".join(f"{name} {size:g}" for name, size in sorted(model["stack"]["rss_mb"].items()))
    return f"{model['name']}, resident after all rounds, MB: {sizes}."


def _rate(per_s: float) -> str:
    return f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:.1f}"


def _latencies(facts: dict[str, Any]) -> list[str]:
    return ["" if facts.get(f"p{p}_ms") is None else f"{facts[f'p{p}_ms']:.1f}" for p in (50, 95, 99)]


def _table(headings: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rule, *rows))
