"""Numbers and names as people read them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

NARROW: Final = "\N{NARROW NO-BREAK SPACE}"
MINUS: Final = "\N{MINUS SIGN}"
LOPSIDED: Final = 1.5
"""An interval is told by both its ends when one is so many times as far away as the other."""
UNSURE: Final = 0.6
PLATFORMS: Final[Mapping[str, str]] = {
    "bluesky": "Bluesky",
    "file": "Files",
    "hn": "Hacker News",
    "mastodon": "Mastodon",
    "news": "News",
    "reddit": "Reddit",
    "reviews": "Reviews",
    "rss": "RSS",
    "webhook": "Pushed",
    "x": "X",
}


def count(number: float) -> str:
    """1234567 -> 1,234,567, with a separator that no language reads as a decimal point."""
    return f"{number:,.0f}".replace(",", NARROW).replace("-", MINUS)


def percent(share: float) -> str:
    """0.3142 -> 31 %."""
    return f"{_whole(share)}{NARROW}%"


def plus_minus(half_width: float) -> str:
    """0.038 -> ±4, in points of a percentage; never ±0."""
    return f"±{max(1, round(half_width * 100))}"


def is_unsure(share: Any) -> bool:
    """Whether a share's interval is so wide that its point says nothing."""
    return share.point is not None and share.low is not None and share.high - share.low > UNSURE


def lacking(share: Any) -> str:
    """Why there is no number."""
    return "too unsure" if is_unsure(share) else "too few"


def margin(share: Any) -> str:
    """How sure a share with point, low and high is: ±4, or (0 to 25) where one side is much longer than the other."""
    down, up = share.point - share.low, share.high - share.point
    if max(up, down) > LOPSIDED * min(up, down) and round(100 * max(up, down)) > round(100 * min(up, down)) + 1:
        return f"({_whole(share.low)} to {_whole(share.high)})"
    return plus_minus(max(up, down))


def points(change: float) -> str:
    """0.042 -> +4 points."""
    rounded = round(change * 100)
    sign = "+" if rounded > 0 else ""
    return f"{sign}{_whole(change)} {'point' if abs(rounded) == 1 else 'points'}"


def duration(seconds: float) -> str:
    """12 -> 12 s, 240 -> 4 min, 7500 -> 2 h 5 min."""
    whole = max(1, round(seconds))
    if whole < 100:
        return f"{whole}{NARROW}s"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours}{NARROW}h {minutes}{NARROW}min" if hours else f"{minutes}{NARROW}min"


def signed(value: float) -> str:
    """0.31 -> +31, 0 -> 0: a net sentiment between -100 and +100."""
    return f"{'+' if round(value * 100) > 0 else ''}{_whole(value)}"


def _whole(share: float) -> str:
    return str(round(share * 100)).replace("-", MINUS)


def capitalize_first(text: str) -> str:
    """Names further on keep their capitals."""
    return text[:1].upper() + text[1:]


def platform(source: str) -> str:
    """The name of a source; those of the demo say that they are its."""
    name = source.removeprefix("demo-")
    return PLATFORMS.get(name, name) + (" (demo)" if name != source else "")


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "capitalize_first": capitalize_first,
    "count": count,
    "duration": duration,
    "is_unsure": is_unsure,
    "lacking": lacking,
    "margin": margin,
    "percent": percent,
    "platform": platform,
    "plus_minus": plus_minus,
    "points": points,
    "signed": signed,
}
