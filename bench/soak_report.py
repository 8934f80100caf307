"""What a soak found: growth by process, as Markdown and as an SVG that reads on light and on dark pages."""

from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import median
from typing import Any, Final

import numpy as np

from bench.plot import text

WARM_UP: Final = 0.3
"""Share of the run in which caches fill, pools grow and allocators find their size."""
BLOCKS: Final = 14
"""Pieces of the rest, each one point: what goes up and down within one is noise."""
NOISE_MB_PER_H: Final = 6.0
"""2 MB in 20 minutes: an allocator's whim."""
WIDTH, LABELS, NUMBERS, HEIGHT, GAP = 760, 150, 190, 30, 10
LEAST_MB: Final = 4.0
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.quiet { fill: #59636e }
.line { fill: none; stroke: #1a7f64; stroke-width: 1.5 }
.warm { fill: #818b981f }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .quiet { fill: #9198a1 }
  .line { stroke: #3fb68b }
}
"""
Samples = list[tuple[float, int, int]]


@dataclass(frozen=True)
class Growth:
    """Of one process: resident memory after the warm-up and at the end, and MB per hour with a 95 % interval."""

    name: str
    samples: Samples
    before_mb: float
    after_mb: float
    per_h: float
    low: float
    high: float

    @property
    def is_leak(self) -> bool:
        return self.low > 0 and self.per_h > NOISE_MB_PER_H


def growths(found: dict[str, Any]) -> list[Growth]:
    """Of those that lived through it: a process per upload or training gives its memory back by ending."""
    end = 60 * found["minutes"]
    names = [name.rpartition(" ")[0] for name in found["samples"]]
    kept: list[Growth] = []
    for name, samples in found["samples"].items():
        if samples and samples[0][0] < WARM_UP * end and samples[-1][0] > 0.95 * end:
            program = name.rpartition(" ")[0]
            same = [g for g in kept if g.name.partition(" (")[0] == program]
            shown = f"{program} ({len(same) + 1})" if same and names.count(program) > 1 else program
            kept.append(_growth(shown, [tuple(sample) for sample in samples], end))
    return kept


def _growth(name: str, samples: Samples, end: float) -> Growth:
    """Theil-Sen: the median of the slopes between any two blocks; the interval is that of Sen (1968)."""
    edges = np.linspace(WARM_UP * end, end, BLOCKS + 1)
    points = []
    for since, until in pairwise(edges):
        inside = [rss for at, rss, _ in samples if since <= at < until]
        if inside:
            points.append(((since + until) / 2 / 3600, median(inside) / 1e6))
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2))
    n = len(points)
    spread = 1.96 * (n * (n - 1) * (2 * n + 5) / 18) ** 0.5
    low, high = int((len(slopes) - spread) / 2), min(len(slopes) - 1, int((len(slopes) + spread) / 2) + 1)
    return Growth(name, samples, points[0][1], points[-1][1], median(slopes), slopes[max(0, low)], slopes[high])


def is_good(found: dict[str, Any]) -> bool:
    clean = not any(fate["lost"] or fate["doubled"] for fate in found["fates"].values())
    return clean and found["is_settled"] and not any(growth.is_leak for growth in growths(found))


def markdown(found: dict[str, Any]) -> str:
    facts, fates = found["machine"], found["fates"]
    accepted = ", ".join(f"{fate['accepted']:,} {kind}" for kind, fate in fates.items())
    lost, doubled = (sum(fate[count] for fate in fates.values()) for count in ("lost", "doubled"))
    lines = [
        f"- {facts['cpu']}, {facts['cores']} cores; load {facts['load_before']} before the start; {found['at']}",
        f"- about {found['others_cpu']:.0%} of the CPU went to other programs meanwhile",
        f"- {found['minutes']:g} minutes, SQLite; accepted: {accepted}; lost {lost}, doubled {doubled}",
        "- " + ", ".join(f"{name} {number}" for name, number in found["versions"].items()),
        "",
        "| process | RSS after warm-up | at the end | PSS at the end | growth per hour | |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for growth in growths(found):
        pss = growth.samples[-1][2] / 1e6
        cells = [growth.name, f"{growth.before_mb:.1f} MB", f"{growth.after_mb:.1f} MB", f"{pss:.1f} MB"]
        cells.append(f"{growth.per_h:+.1f} MB ({growth.low:+.1f} to {growth.high:+.1f})")
        lines.append("| " + " | ".join([*cells, "**grows**" if growth.is_leak else "within noise"]) + " |")
    return "\n".join(lines)


def svg(found: dict[str, Any]) -> str:
    """A strip per process, each on a scale of its own that spans at least LEAST_MB."""
    end, parts, y = 60 * found["minutes"], [], 20.0
    across = WIDTH - LABELS - NUMBERS
    parts.append(text(LABELS, 12, f"resident memory over {found['minutes']:g} minutes; grey: warm-up", "quiet"))
    for growth in growths(found):
        sizes = [rss / 1e6 for _, rss, _ in growth.samples]
        lowest, reach = min(sizes), max(LEAST_MB, max(sizes) - min(sizes))
        places = [
            f"{LABELS + at / end * across:.1f} {y + (1 - (size - lowest) / reach) * HEIGHT:.1f}"
            for (at, *_), size in zip(growth.samples, sizes, strict=True)
        ]
        parts.append(text(LABELS - 10, y + 19, growth.name, "title", "end"))
        parts.append(f'<rect class="warm" x="{LABELS}" y="{y}" width="{WARM_UP * across:.1f}" height="{HEIGHT}"/>')
        parts.append(f'<path class="line" d="M{" L".join(places)}"/>')
        parts.append(text(WIDTH - NUMBERS + 10, y + 12, f"{lowest:.0f} to {max(sizes):.0f} MB", "quiet"))
        parts.append(text(WIDTH - NUMBERS + 10, y + 27, f"{growth.per_h:+.1f} MB per hour"))
        y += HEIGHT + GAP
    body = "\n".join(parts)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y:.0f}" width="{WIDTH}" height="{y:.0f}" '
        'role="img">'
    )
    return f"{head}\n<title>Memory of each process under steady load</title>\n<style>{STYLE}</style>\n{body}\n</svg>\n"
