"""The figures of `bench.learning_loop` against labels spent, as an SVG that reads on light and on dark pages."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final

from bench.learning_report import NAMES, WAYS, rounds

WIDTH, PANEL, GAP, LEFT = 760, 196, 44, 40
HEIGHT, TOP, BOTTOM, LEGEND = 130, 44, 30, 30
STEP: Final = 0.02
"""Between two lines of the grid, in shares of 1."""

Points = Sequence[tuple[int, float]]
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.quiet { fill: #59636e }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.balanced { stroke: #1a7f64; fill: #1a7f64 }
.random { stroke: #8c6c00; fill: #8c6c00 }
path { fill: none !important; stroke-width: 2 }
path.random { stroke-dasharray: 5 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .quiet { fill: #9198a1 }
  .grid { stroke: #3d444d }
  .balanced { stroke: #3fb68b; fill: #3fb68b }
  .random { stroke: #d4a72c; fill: #d4a72c }
}
"""


def svg(report: dict[str, Any]) -> str:
    """A row of panels per domain: macro-F1, accuracy, and what is kept on the old rows; one scale per row."""
    parts = list(_legend())
    y = LEGEND
    for domain in report["domains"]:
        parts.append(_text(0, y + 14, domain, "title"))
        parts.extend(_row(report, domain, y + TOP))
        y += TOP + HEIGHT + BOTTOM
    body = "\n".join(parts)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img">'
    return f"{head}\n<title>What labels buy on a new stream</title>\n<style>{STYLE}</style>\n{body}\n</svg>\n"


def _legend() -> Iterator[str]:
    x = 0
    for way in WAYS:
        yield f'<path class="{way}" d="M{x} 12H{x + 26}"/>'
        yield _text(x + 32, 16, NAMES[way])
        x += 180


def _row(report: dict[str, Any], domain: str, top: float) -> Iterator[str]:
    found = {way: rounds(report, domain, way) for way in WAYS}
    panels: dict[str, dict[str, Points]] = {
        "macro-F1": {way: [(spent, here.macro_f1) for spent, here, _ in found[way]] for way in WAYS},
        "accuracy": {way: [(spent, here.accuracy) for spent, here, _ in found[way]] for way in WAYS},
        "old rows: macro-recall": {way: [(spent, old.macro_recall) for spent, _, old in found[way]] for way in WAYS},
    }
    values = {name: [share for points in lines.values() for _, share in points] for name, lines in panels.items()}
    reach = max(max(shares) - min(shares) for shares in values.values()) + STEP
    for place, (name, lines) in enumerate(panels.items()):
        middle = (max(values[name]) + min(values[name])) / 2
        yield _text(LEFT + place * (PANEL + GAP), top - 12, name, "quiet")
        yield from _panel(lines, LEFT + place * (PANEL + GAP), top, middle - reach / 2, reach)


def _panel(lines: dict[str, Points], left: float, top: float, lowest: float, reach: float) -> Iterator[str]:
    spent = max(labels for points in lines.values() for labels, _ in points)

    def place(labels: int, share: float) -> tuple[float, float]:
        return left + labels / spent * PANEL, top + (lowest + reach - share) / reach * HEIGHT

    for tick in range(int(lowest / STEP) + 1, int((lowest + reach) / STEP) + 1):
        _, y = place(0, tick * STEP)
        yield f'<path class="grid" d="M{left} {y:.1f}H{left + PANEL}"/>'
        yield _text(left - 6, y + 4, f"{tick * STEP:.2f}", "quiet", "end")
    yield _text(left, top + HEIGHT + 16, "0", "quiet", "middle")
    yield _text(left + PANEL, top + HEIGHT + 16, f"{spent} labels", "quiet", "end")
    for way, points in lines.items():
        places = [place(*point) for point in points]
        yield f'<path class="{way}" d="M{" L".join(f"{x:.1f} {y:.1f}" for x, y in places)}"/>'
        yield from (f'<circle class="{way}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in places)


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
