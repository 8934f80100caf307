"""The figures of `bench.estimates` as tables and a picture for the docs."""

from collections.abc import Iterator
from html import escape
from typing import Any, Final

from overheard.training.recipe import Recipe

WIDTH, LEFT, ROW, TOP = 760, 190, 40, 56
SPAN: Final = WIDTH - LEFT - 20
NAMES: Final = {
    "raw": "raw",
    "corrected": "corrected, not audited",
    "audited-50": "50 audits",
    "alone-50": "50 labels alone",
    "audited-100": "100 audits",
    "alone-100": "100 labels alone",
    "audited-200": "200 audits, all brands as one",
    "alone-200": "200 labels alone, all brands as one",
}
STYLE: Final = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.quiet { fill: #59636e }
.grid { stroke: #d1d9e0 }
.raw { fill: none; stroke: #8c6c00; stroke-width: 2 }
.corrected { fill: #59636e; stroke: #59636e; stroke-width: 2 }
.audited { fill: #1a7f64; stroke: #1a7f64; stroke-width: 3 }
.truth { stroke: #cf222e; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .quiet { fill: #9198a1 }
  .grid { stroke: #3d444d }
  .raw { stroke: #d4a72c }
  .corrected { fill: #9198a1; stroke: #9198a1 }
  .audited { fill: #3fb68b; stroke: #3fb68b }
  .truth { stroke: #ff7b72 }
}
"""


def markdown(facts: dict[str, Any]) -> str:
    """For the docs: conditions, shares, accuracy."""
    machine = facts["machine"]
    about = f"{facts['at'][:10]}, {machine['cpu']}, {facts['draws']} draws of audits per brand"
    taught = f"the topics' model learned for {facts['epochs']:g} of {Recipe().epochs:g} epochs"
    blocks = [f"{about}; {taught}. In points, means over all classes."]
    for one in facts["streams"]:
        head = f"**{one['name']}**: {_counted(one['brands'], 'brand')}, {one['posts']:,} posts"
        lines = ["| shares | mean absolute error | bias | coverage | half-width |", "|---|---:|---:|---:|---:|"]
        lines += [_line(name, one["ways"][way]) for way, name in NAMES.items() if way in one["ways"]]
        blocks += [head, "\n".join(lines), _accuracy(one["accuracy"])]
    return "\n\n".join(blocks)


def _counted(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def _line(name: str, figures: dict[str, float]) -> str:
    is_drawn = "audits" in name or "labels" in name  # errors of draws are averaged without their signs
    bias = "" if is_drawn else f"{100 * figures['bias']:.1f}"
    error, half = 100 * figures["error"], 100 * figures["half"]
    return f"| {name} | {error:.1f} | {bias} | {100 * figures['coverage']:.0f} % | {half:.1f} |"


def _accuracy(figures: dict[str, float]) -> str:
    told = {name: f"{100 * value:.1f}" for name, value in figures.items()}
    return (
        f"Expected accuracy is off by {told['signed']} on average ({told['uncalibrated']} without what held-out rows "
        f"showed), by {told['absolute']} without the sign, where chance alone makes {told['floor']}; its interval "
        f"holds in {100 * figures['coverage']:.0f} %."
    )


def svg(facts: dict[str, Any]) -> str:
    """Negative shares of a few brands: as called, corrected, audited, and as they are."""
    rows = facts["picture"]
    height = TOP + ROW * len(rows) + 20
    most = max(max(one["corrected"]["high"], one["audited"]["high"], one["raw"], one["truth"]) for one in rows)
    scale = SPAN / (int(most * 10) + 1) * 10
    parts = [*_legend(), *_grid(scale, height)]
    for place, one in enumerate(rows):
        parts += _row(one, TOP + ROW * place, scale)
    body = "\n".join(parts)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">'
    return f"{head}\n<title>Negative shares, and how sure they are</title>\n<style>{STYLE}</style>\n{body}\n</svg>\n"


def _legend() -> Iterator[str]:
    names = {
        "raw": "as the model calls them",
        "corrected": "corrected, not audited",
        "audited": "100 audits",
        "truth": "what it really is",
    }
    for place, (name, text) in enumerate(names.items()):
        x = 10 + place * 185
        yield f'<circle class="{name}" cx="{x}" cy="12" r="4"/>' if name != "truth" else _line_of("truth", x, 4, x, 20)
        yield f'<text x="{x + 10}" y="16">{text}</text>'


def _grid(scale: float, height: int) -> Iterator[str]:
    for tenth in range(int(SPAN / scale * 10) + 1):
        x = LEFT + tenth / 10 * scale
        yield _line_of("grid", x, 40, x, height - 10)
        yield f'<text class="quiet" x="{x - 10:.1f}" y="36">{10 * tenth} %</text>'


def _row(one: dict[str, Any], y: float, scale: float) -> Iterator[str]:
    yield f'<text x="0" y="{y + 14}">{escape(one["name"])}</text>'
    yield f'<text class="quiet" x="0" y="{y + 28}">{one["posts"]:,} posts</text>'
    for name, down in (("corrected", 12), ("audited", 22)):
        share = one[name]
        low, point, high = (LEFT + share[key] * scale for key in ("low", "point", "high"))
        yield _line_of(name, low, y + down, high, y + down)
        yield f'<circle class="{name}" cx="{point:.1f}" cy="{y + down}" r="4"/>'
    yield f'<circle class="raw" cx="{LEFT + one["raw"] * scale:.1f}" cy="{y + 3}" r="4"/>'
    x = LEFT + one["truth"] * scale
    yield _line_of("truth", x, y - 2, x, y + 28)


def _line_of(name: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{name}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
