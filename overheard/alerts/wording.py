"""How figures and times are said to people, in notices of every form."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

MAX_SUBJECT_CHARS: Final = 150
MAX_EXAMPLE_CHARS: Final = 280
PREFIX: Final = "[Overheard]"
_QUOTES: Final = {
    ord("<"): "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
    ord(">"): "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
}
_UNITS: Final = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def subject(text: str) -> str:
    """One line, whatever the text holds: nothing of it can become a header of a mail."""
    return cut(f"{PREFIX} {text}", MAX_SUBJECT_CHARS)


def cut(text: str, most: int) -> str:
    """As one line without what can't be seen, at most so long, with a mark where something was left out."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def harmless(text: str) -> str:
    """For chats: nobody is called by name, and no link hides behind other words."""
    return text.replace("@", "@\u200b").translate(_QUOTES).replace("](", "] (")


def moment(at: datetime) -> str:
    """Like `Tue 24 Nov 2026, 18:05 UTC`."""
    return f"{at.astimezone(UTC):%a %d %b %Y, %H:%M} UTC"


def span(time: timedelta) -> str:
    """In its two largest units, like `3 h 20 min`."""
    left, said = max(0, int(time.total_seconds())), list[str]()
    for unit, size in _UNITS:
        if left >= size and len(said) < 2:
            said.append(f"{left // size} {unit}")
            left %= size
        elif said:
            break
    return " ".join(said) or "0 s"


def percent(share: float) -> str:
    """Of 1: `12 %`; a small one with a digit more."""
    return f"{100 * share:.0f} %" if share >= 0.0995 or share == 0 else f"{100 * share:.1f} %"


def interval(low: float, high: float) -> str:
    """Like `9.1 to 14 %`."""
    return f"{percent(low).removesuffix(' %')} to {percent(high)}"


def points(change: float) -> str:
    """A difference of shares, in percentage points: `+4.2 points`."""
    return f"{100 * change:+.1f} points".replace("-", "\N{MINUS SIGN}")


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return ", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else "".join(words)
