"""The chart of a notice: how the share of negative posts and their number went, with gaps left as gaps."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_IN, HEIGHT_IN, DPI = 6.0, 2.8, 160
INK, MUTED, NEGATIVE, VOLUME, MISSING = "#1d2939", "#667085", "#b42318", "#cbd5e1", "#f2f4f7"
RELATIVE_HEIGHTS: Final = (2.4, 1.0)
FORMATS: Final = ["%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%S"]
ZERO_FORMATS: Final = ["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"]
"""Of a tick by what it counts (years, months, days, hours, …), and of the first of them."""
FEW: Final = 40
"""So few points are drawn as points, too."""


@dataclass(frozen=True)
class Bar:
    """What was heard from `since` to `until`, for JSON. share: of negative posts, of 1; None without a scored post.

    low, high: its 95 % interval; None where there is none. is_complete: no feed has a gap in it.
    """

    since: str
    until: str
    posts: int
    share: float | None = None
    low: float | None = None
    high: float | None = None
    is_complete: bool = True


@dataclass(frozen=True)
class Chart:
    """bars: in order, side by side. marked: since when what the notice is about is so; empty: nothing is marked.

    title: above it. alt: the same in words, for who can't see it.
    """

    title: str
    alt: str
    bars: tuple[Bar, ...]
    marked: str = ""

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        """What `asdict` gave."""
        return replace(cls(**told), bars=tuple(Bar(**bar) for bar in told["bars"]))


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
            for since, until in _gaps(chart.bars):
                axes.axvspan(since, until, facecolor=MISSING, hatch="///", edgecolor=VOLUME, linewidth=0, zorder=0)
            if chart.marked:
                axes.axvline(_at(chart.marked), color=INK, linewidth=0.8, linestyle=(0, (3, 3)))
        _draw_shares(share, chart.bars)
        _draw_volume(volume, chart.bars)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png")
    return drawn.getvalue()


def _draw_shares(axes: "Axes", bars: Sequence[Bar]) -> None:
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


def _draw_volume(axes: "Axes", bars: Sequence[Bar]) -> None:
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


def _gaps(bars: Sequence[Bar]) -> Iterator[tuple[datetime, datetime]]:
    """Stretches of which not everything is known."""
    begun: Bar | None = None
    for bar, after in zip(bars, [*bars[1:], None], strict=True):
        if not bar.is_complete:
            begun = begun or bar
            if after is None or after.is_complete:
                yield _at(begun.since), _at(bar.until)
                begun = None
