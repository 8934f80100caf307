"""The figures of `bench.training` as tables and as a plot for the docs."""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from bench.plot import STYLE, WIDTH, text

LEFT, RIGHT, TOP, HEIGHT, BOTTOM = 56, 104, 40, 300, 64
MARKS = 5
LINES = """
.line { fill: none; stroke-width: 2.5 }
.line.ours { stroke: #1a7f64 }
.line.theirs { stroke: #8c959f }
.grid { stroke: #d1d9e0; stroke-width: 1 }
@media (prefers-color-scheme: dark) {
  .line.ours { stroke: #3fb68b }
  .line.theirs { stroke: #6e7681 }
  .grid { stroke: #3d444d }
}
"""


def markdown(report: dict[str, Any]) -> str:
    machine, data = report["machine"], report["data"]
    conditions = [
        ", ".join((machine["cpu"], f"{machine['cores']} cores", *machine["instructions"], machine["system"])),
        f"{report['device']}; load {machine['load_before']} before the start; {report['at']}",
        f"{report['base']}; {data['name']}: {data['rows']:,} rows to learn from, {data['held_out']:,} to judge on",
        f"{report['minutes']:g} minutes of training each, judging and loading left out",
        ", ".join(f"{name} {number}" for name, number in report["versions"].items()),
    ]
    marks = _marks(report["minutes"])
    blocks = [
        "\n".join(f"- {line}" for line in conditions),
        _table(("", "examples/s", "times plain", "examples seen", "others' CPU"), list(_speeds(report["sides"]))),
        _table(("macro-recall after so many minutes", *(f"{mark:g}" for mark in marks)), list(_recalls(report, marks))),
    ]
    if overtaken := _overtaken_after(report["sides"]):
        blocks.append(
            f"Ours passes {overtaken[1]:.3f}, the best that the plain one reached, after {overtaken[0]:.1f} minutes."
        )
    return "\n\n".join(blocks)


def svg(report: dict[str, Any]) -> str:
    """Macro-recall against minutes, a line per side."""
    height, bottom = TOP + HEIGHT + BOTTOM, TOP + HEIGHT
    top_minutes = report["minutes"]
    recalls = [recall for side in report["sides"].values() for _, recall in side["points"]]
    low, high = int(min(recalls, default=0) * 20) / 20, int(max(recalls, default=0.95) * 20 + 1) / 20

    def x(seconds: float) -> float:
        return LEFT + seconds / 60 / top_minutes * (WIDTH - LEFT - RIGHT)

    def y(recall: float) -> float:
        return bottom - (recall - low) / (high - low) * HEIGHT

    parts = [text(0, 18, "Macro-recall on held-out rows against minutes of training", "title")]
    for step in range(round((high - low) * 20) + 1):
        level = low + step / 20
        parts.append(f'<path class="grid" d="M{LEFT} {y(level):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(text(LEFT - 8, y(level) + 4, f"{level:.2f}", "quiet", "end"))
    marks = _marks(top_minutes)
    parts += [text(x(60 * mark), bottom + 20, f"{mark:g}", "quiet", "middle") for mark in marks]
    for name, side in report["sides"].items():
        kind, points = "ours" if name == "ours" else "theirs", side["points"]
        if points:
            path = "L".join(f"{x(seconds):.1f} {y(recall):.1f}" for seconds, recall in points)
            parts.append(f'<path class="line {kind}" d="M{path}"/>')
            parts.append(text(x(points[-1][0]) + 8, y(points[-1][1]) + 4, f"{name} {points[-1][1]:.3f}", "title"))
    parts.append(
        text(0, height - 8, f"{report['machine']['cpu']}, {report['device']}; {report['data']['name']}", "quiet")
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    title = "How fast each way of fine-tuning learns"
    body = "\n".join(parts)
    return f'{head} role="img">\n<title>{title}</title>\n<style>{STYLE}{LINES}</style>\n{body}\n</svg>\n'


def _marks(minutes: float) -> list[float]:
    return [round(minutes * mark / MARKS, 2) for mark in range(1, MARKS + 1)]


def _speeds(sides: dict[str, Any]) -> Iterator[list[str]]:
    plain = sides["plain"]["per_s"]
    for name, side in sides.items():
        ratio = f"{side['per_s'] / plain:.1f}" if plain else ""
        yield [name, f"{side['per_s']:,.1f}", ratio, f"{side['examples']:,}", f"{100 * side['others_cpu']:.0f} %"]


def _recalls(report: dict[str, Any], marks: Sequence[float]) -> Iterator[list[str]]:
    """What the last judgement before each mark said; one that was due at the mark comes up to a step late."""
    late_s = 60 * report["minutes"] / 30
    for name, side in report["sides"].items():
        reached = [[recall for seconds, recall in side["points"] if seconds <= 60 * mark + late_s] for mark in marks]
        yield [name, *(f"{recalls[-1]:.3f}" if recalls else "" for recalls in reached)]


def _overtaken_after(sides: dict[str, Any]) -> tuple[float, float] | None:
    """Minutes after which ours was better than the plain one ever was, and how good that was."""
    best = max((recall for _, recall in sides["plain"]["points"]), default=0.0)
    behind = list(takewhile(lambda point: point[1] <= best, sides["ours"]["points"]))
    after = sides["ours"]["points"][len(behind) :]
    return (after[0][0] / 60, best) if after and best else None


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rule, *rows))
