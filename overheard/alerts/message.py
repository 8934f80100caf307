"""What a recipient is told, in every form that one may need."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self


@dataclass(frozen=True)
class Bar:
    """What was heard from `since` to `until`, for JSON. share: of negative posts, of 1; None without a scored post.

    low, high: its 95 % interval; None where there is none.
    """

    since: str
    until: str
    posts: int
    share: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Chart:
    """bars: in order, side by side. gaps: (since, until) each, in which not everything was heard. marked: since when
    what the notice is about is so; empty: nothing is marked.

    title: above it. alt: the same in words, for who can't see it.
    """

    title: str
    alt: str
    bars: tuple[Bar, ...]
    gaps: tuple[tuple[str, str], ...] = ()
    marked: str = ""

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        """What `asdict` gave."""
        bars, gaps = (Bar(**bar) for bar in told["bars"]), (tuple(gap) for gap in told["gaps"])
        return replace(cls(**told), bars=tuple(bars), gaps=tuple(gaps))


@dataclass(frozen=True)
class Message:
    """One notice, ready to be sent.

    id: the same however often it is sent. thread: the id of the message that it follows; empty: of none. subject: one
    line. text, html: the whole, for e-mails; html shows its chart as `cid:chart`. brief: for chats, and plain.
    facts: for programs, as JSON. chart: None where there is nothing to draw.
    """

    id: str
    subject: str
    text: str
    html: str
    brief: str
    thread: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    chart: Chart | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        """What `as_dict` gave."""
        chart = told.pop("chart")
        return cls(**told, chart=chart and Chart.of(chart))
