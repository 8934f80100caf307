"""How each brand is spoken of: shares over time, what changed, who else is spoken of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from flask import render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth import requires
from api.pages import brands, words, zones
from api.pages.brands import Choice
from api.pages.site import blueprint
from api.services import services
from overheard.brands import key
from overheard.scoring.bundle import LABELS
from overheard.store import series
from overheard.store.keys import Role
from overheard.store.series import Point, Step
from overheard.store.tables.counts import Hour

PERIODS: Final[Mapping[str, tuple[str, timedelta, Step]]] = {
    "1": ("24 hours", timedelta(days=1), Step.hour),
    "7": ("7 days", timedelta(days=7), Step.day),
    "30": ("30 days", timedelta(days=30), Step.day),
    "90": ("90 days", timedelta(days=90), Step.day),
    "365": ("A year", timedelta(days=365), Step.week),
}
DEFAULT: Final = "30"
ENOUGH: Final = 30
"""Of fewer scored posts no share is told."""


@dataclass(frozen=True)
class Estimate:
    """A share of 1, or a net sentiment from -1 to 1. low, high: of its 95 % interval, None where there is none yet."""

    point: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Figures:
    """A brand in a period. shares: by class, empty where there are too few posts."""

    posts: int
    scored: int
    shares: Mapping[str, Estimate]

    @property
    def net(self) -> Estimate | None:
        if not self.shares:
            return None
        return Estimate(self.shares["positive"].point - self.shares["negative"].point)


@dataclass(frozen=True)
class View:
    """What the address asks for."""

    period: str
    source: str
    since: datetime
    until: datetime

    @classmethod
    def of_request(cls, now: datetime) -> "View":
        period = request.args.get("period", DEFAULT)
        period = period if period in PERIODS else DEFAULT
        until = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        return cls(period, request.args.get("source", "")[:32], until - PERIODS[period][1], until)

    @property
    def step(self) -> Step:
        return PERIODS[self.period][2]

    @property
    def times(self) -> list[datetime]:
        return series.edges(self.since, self.until, self.step, zones.of_reader())

    @property
    def times_before(self) -> list[datetime]:
        """Of the same time before, whole."""
        first = self.times[0]
        return [first - PERIODS[self.period][1], first]


@blueprint.get("/")
@requires(Role.viewer)
def overview() -> str:
    brand = brands.chosen()
    if brand is None:
        return render_template("overview.html", view=None)
    view = View.of_request(datetime.now(UTC))
    with services().database.read() as session:
        points = series.read(session, brand.id, view.times, view.source or None)
        before = series.read(session, brand.id, view.times_before, view.source or None)
        rivals = _rivals(session, brand, view)
        sources = _sources(session, brand.id)
        newest = session.scalar(select(Hour.hour).where(Hour.brand_id == brand.id).order_by(Hour.hour.desc()).limit(1))
    return render_template(
        "overview.html",
        view=view,
        periods=[(value, name) for value, (name, _, _) in PERIODS.items()],
        sources=[("", "All"), *((source, words.platform(source)) for source in sources)],
        points=points,
        now_told=_figures(points),
        before_told=_figures(before),
        rivals=rivals,
        newest=newest,
        chart=_chart(brand, view, points),
    )


def _sources(session: Session, brand_id: int) -> Sequence[str]:
    return session.scalars(select(Hour.source).where(Hour.brand_id == brand_id).distinct().order_by(Hour.source)).all()


def _figures(points: Iterable[Point]) -> Figures:
    told = list(points)
    scored = sum(point.scored for point in told)
    shares = {}
    if scored >= ENOUGH:
        for name in LABELS:
            total = sum(point.means[name] * point.scored for point in told if point.means)
            shares[name] = Estimate(total / scored)
    return Figures(sum(point.posts for point in told), scored, shares)


def _rivals(session: Session, brand: Choice, view: View) -> list[tuple[Choice, Figures]]:
    """The brand and those of its competitors that are listened for, most spoken of first."""
    named = {key(name) for name in brand.competitors}
    compared = [one for one in brands.all_of_them() if one.id == brand.id or key(one.name) in named]
    span = [view.times[0], view.times[-1]]
    told = [(one, _figures(series.read(session, one.id, span, view.source or None))) for one in compared]
    return sorted(told, key=lambda pair: -pair[1].posts)


def _chart(brand: Choice, view: View, points: Sequence[Point]) -> dict[str, Any]:
    """As js/chart.js takes it."""
    return {
        "x": [int(point.since.timestamp()) for point in points],
        "ends": [int(point.until.timestamp()) for point in points],
        "series": [
            {
                "name": name.capitalize(),
                "mood": name,
                "point": [round(point.means[name], 4) if point.means else None for point in points],
            }
            for name in LABELS
        ],
        "volume": [point.posts for point in points],
        "gaps": [],
        "marks": [],
        "links": [_posts_link(brand, view, point.since, point.until) for point in points],
    }


def _posts_link(brand: Choice, view: View, since: datetime, until: datetime) -> str:
    asked: dict[str, Any] = {
        "brand": brand.id,
        "source": view.source or None,
        "since": _iso(since),
        "until": _iso(until),
    }
    return url_for("pages.overview", **asked)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
