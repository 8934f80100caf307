"""Times in the reader's zone, which the browser tells in a cookie; with UTC to whoever points at them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from flask import request
from markupsafe import Markup

from overheard.zones import names

COOKIE: Final = "tz"


def of_reader() -> ZoneInfo:
    """UTC until the browser has told."""
    name = request.cookies.get(COOKIE, "")
    return ZoneInfo(name if name in names() else "UTC")


def local(at: datetime, form: str) -> str:
    """form: as `strftime` takes it; a leading zero of a day that comes first is left out."""
    written = at.astimezone(of_reader()).strftime(form)
    return written.lstrip("0") if form.startswith("%d") else written


def moment(at: datetime | None) -> Markup:
    """A `time` element: 24 Nov 2026, 18:50."""
    return _element(at, "%d %b %Y, %H:%M", "minute")


def day(at: datetime | None) -> Markup:
    """A `time` element: 24 Nov 2026."""
    return _element(at, "%d %b %Y", "day")


def clock(at: datetime) -> Markup:
    """A `time` element: 18:50:07, for what follows within minutes."""
    return _element(at, "%H:%M:%S", "second")


def _element(at: datetime | None, form: str, shows: str) -> Markup:
    if at is None:
        return Markup('<span class="none">never</span>')
    utc = at.astimezone(UTC)
    exact, shown = utc.strftime("%Y-%m-%dT%H:%M:%SZ"), utc.strftime("%Y-%m-%d %H:%M")
    return Markup('<time datetime="{}" title="{} UTC" data-shows="{}">{}</time>').format(
        exact, shown, shows, local(at, form)
    )


def second(seconds: int) -> datetime:
    """Of seconds since 1970, as charts have them."""
    return datetime.fromtimestamp(seconds, UTC)


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {"clock": clock, "day": day, "moment": moment, "second": second}
