"""A notice's chart, drawn: how the share of negative posts and their number went, with gaps left as gaps."""

import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from overheard.alerts.message import Bar, Chart

Axes: TypeAlias = Any
"""Of matplotlib, whose types know numbers alone: it draws times as well."""
WIDTH_IN, HEIGHT_IN, DPI = 6.0, 2.8, 160
INK, MUTED, NEGATIVE, VOLUME, MISSING = "#1d2939", "#667085", "#b42318", "#cbd5e1", "#f2f4f7"
RELATIVE_HEIGHTS: Final = (2.4, 1.0)
FORMATS: Final = ["%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%S"]
ZERO_FORMATS: Final = ["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"]
"""Of a tick by what it counts (years, months, days, hours, …), and of the first of them."""
FEW: Final = 40
"""So few points are drawn as points, too."""


def draw(chart: Chart) -> bytes:
    """A PNG of 960 by 448 pixels. No name is in it: a font knows only some alphabets."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context({"font.size": 8, "axes.edgecolor": MUTED, "axes.labelcolor": MUTED, "hatch.linewidth": 0.6}):
        figure = Figure((WIDTH_IN, HEIGHT_IN), dpi=DPI, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        share, volume = figure.subplots(2, 1, sharex=True, height_ratios=RELATIVE_HEIGHTS)
        for axes in (share, volume):
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.tick_params(colors=MUTED, length=0)
            for since, until in chart.gaps:
                axes.axvspan(
                    _at(since), _at(until), facecolor=MISSING, hatch="///", edgecolor=VOLUME, linewidth=0, zorder=0
                )
            if chart.marked:
                axes.axvline(_at(chart.marked), color=INK, linewidth=0.8, linestyle=(0, (3, 3)))
        _draw_shares(share, chart.bars)
        _draw_volume(volume, chart.bars)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png")
    return drawn.getvalue()


def _draw_shares(axes: Axes, bars: Sequence[Bar]) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    dots = {"marker": "o", "markersize": 2.5} if len(bars) < FEW else {}
    for run in _runs(bars):
        middles = [_middle(bar) for bar in run]
        axes.plot(middles, [bar.share for bar in run], color=NEGATIVE, linewidth=1.5, **(dots or _dot(run)))
        if all(bar.low is not None for bar in run):
            bounds = [[bar.low for bar in run], [bar.high for bar in run]]
            axes.fill_between(middles, *bounds, color=NEGATIVE, alpha=0.15, linewidth=0)
    axes.grid(axis="y", color=MISSING)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylabel("negative")


def _dot(run: Sequence[Bar]) -> dict[str, Any]:
    """A line of one point would be none."""
    return {"marker": "o", "markersize": 2.5} if len(run) == 1 else {}


def _draw_volume(axes: Axes, bars: Sequence[Bar]) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
    from matplotlib.ticker import MaxNLocator

    widths = [_at(bar.until) - _at(bar.since) for bar in bars]
    axes.bar([_middle(bar) for bar in bars], [bar.posts for bar in bars], widths, color=VOLUME)
    axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    axes.set_ylabel("posts")
    locator = AutoDateLocator(minticks=3, maxticks=10)
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, formats=FORMATS, zero_formats=ZERO_FORMATS, show_offset=False)
    axes.xaxis.set_major_formatter(formatter)
    axes.set_xlim(date2num(_at(bars[0].since)), date2num(_at(bars[-1].until)))


def _at(time: str) -> datetime:
    return datetime.fromisoformat(time)


def _middle(bar: Bar) -> datetime:
    return _at(bar.since) + (_at(bar.until) - _at(bar.since)) / 2


def _runs(bars: Sequence[Bar]) -> Iterator[list[Bar]]:
    """Stretches that a line may join: bars with a share, side by side."""
    run: list[Bar] = []
    for bar in bars:
        if bar.share is not None:
            run.append(bar)
        elif run:
            yield run
            run = []
    if run:
        yield run
