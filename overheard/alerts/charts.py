"""A brand's hours or days as a chart."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from overheard.alerts.message import Bar, Chart
from overheard.alerts.wording import interval, moment, percent
from overheard.estimates import MIN_POSTS, Method
from overheard.store import series, shares
from overheard.store.series import Step
from overheard.store.shares import Estimated

LONGEST_HOURLY: Final = timedelta(days=4)
UTC_ZONE: Final = ZoneInfo("UTC")


def of_brand(
    session: Session, brand_id: int, name: str, since: datetime, until: datetime, marked: datetime | None = None
) -> Chart | None:
    """None when nothing was heard. By the hour where that is short enough and there were posts enough, else by the day.

    marked: since when what the chart is drawn for is so.
    """
    whole = series.read(session, brand_id, [since, until])[0]
    if not whole.posts:
        return None
    hours = (until - since) / timedelta(hours=1)
    is_hourly = until - since <= LONGEST_HOURLY and whole.posts >= MIN_POSTS * hours
    step = Step.hour if is_hourly else Step.day
    times = series.edges(since, until, step, UTC_ZONE)
    found, total = shares.read(session, brand_id, times)
    missing = [
        (max(gap.since, times[0]), min(gap.until, times[-1]))
        for gap in series.gaps(session, brand_id, times[0], times[-1])
    ]
    is_sure = any(one.estimate.method != Method.too_few for one in found)
    bars = tuple(_bar(one, is_sure=is_sure) for one in found)
    title = f"Negative posts about {name}, by the {step} (UTC)" + (
        ", with 95 % intervals" if is_sure else ", as the model reads them: too few for an interval"
    )
    gaps = tuple((begin.isoformat(), end.isoformat()) for begin, end in missing)
    alt = _alt(name, bars, total, marked) + (" Not everything was heard: gaps are shaded." if gaps else "")
    return Chart(title, alt, bars, gaps, marked.isoformat() if marked else "")


def _bar(one: Estimated, *, is_sure: bool) -> Bar:
    point, share = one.point, one.estimate.shares[0]
    read = point.means["negative"] if point.means else None
    shown = share.point if is_sure else read
    times = (point.since.isoformat(), point.until.isoformat())
    return Bar(*times, point.posts, shown, share.low, share.high)


def _alt(name: str, bars: Sequence[Bar], total: Estimated, marked: datetime | None) -> str:
    """The chart in words."""
    share, known = total.estimate.shares[0], [bar for bar in bars if bar.share is not None]
    said = f"Share of negative posts about {name} over time, and how many posts there were."
    if share.low is not None and share.high is not None:
        said += f" Over the whole time {interval(share.low, share.high)}."
    if known:
        highest = max(known, key=lambda bar: bar.share or 0)
        said += f" Highest {moment(datetime.fromisoformat(highest.since))}: {percent(highest.share or 0)}."
    if marked:
        said += f" A line marks {moment(marked)}."
    return said
