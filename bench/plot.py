"""Ratios to the one-by-one loop as an SVG that reads on light and on dark pages."""

from html import escape
from typing import Any

from bench.measure import LOOP
from bench.report import OWN_PACE

WIDTH, LABELS, NUMBERS = 760, 190, 150
BAR, GAP, TITLE = 18, 8, 34
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.quiet { fill: #59636e }
.ours { fill: #1a7f64 }
.theirs { fill: #8c959f }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .quiet { fill: #9198a1 }
  .ours { fill: #3fb68b }
  .theirs { fill: #6e7681 }
}
"""
OURS = ("engine", "HTTP")


def svg(report: dict[str, Any]) -> str:
    """A bar per way of scoring whose speed is its own, a panel per model, one scale for all."""
    panels = [(model, list(_bars(model))) for model in report["models"]]
    longest = max((ratio for _, bars in panels for _, ratio, _ in bars), default=1.0)
    parts: list[str] = []
    y = 0
    for model, bars in panels:
        y += TITLE
        parts.append(text(0, y - 12, f"{model['name']}: times the one-by-one loop", "title"))
        for way, ratio, per_s in bars:
            width = max(2.0, ratio / longest * (WIDTH - LABELS - NUMBERS))
            kind = "ours" if way.startswith(OURS) else "theirs"
            parts.append(text(LABELS - 10, y + 14, way, anchor="end"))
            parts.append(f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>')
            parts.append(text(LABELS + width + 8, y + 14, f"{ratio:.1f} x", "title"))
            parts.append(text(WIDTH, y + 14, f"{per_s:,.0f}/s", "quiet", "end"))
            y += BAR + GAP
    machine = report["machine"]
    y += TITLE
    parts.append(text(0, y - 12, f"{machine['cpu']}, {machine['cores']} cores; {report['data']['name']}", "quiet"))
    body = "\n".join(parts)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img">'
    return f"{head}\n<title>How much faster than the one-by-one loop</title>\n<style>{STYLE}</style>\n{body}\n</svg>\n"


def _bars(model: dict[str, Any]) -> list[tuple[str, float, float]]:
    loop = model["sections"][LOOP]["per_s"]
    if not loop:
        return []
    return [
        (way, facts["per_s"] / loop, facts["per_s"])
        for way, facts in model["sections"].items()
        if not way.endswith(OWN_PACE)
    ]


def text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
