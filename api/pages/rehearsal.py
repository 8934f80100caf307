"""A rule played over the past of a brand, drawn: a part of the page of alerts."""

from collections import Counter
from datetime import UTC, datetime

from flask import render_template, request
from pydantic import ValidationError
from werkzeug.exceptions import UnprocessableEntity

from api.auth import requires
from api.pages import drawn, zones
from api.pages.site import blueprint, posts_link
from api.pages.view import View
from api.routes.rules import RehearsalBody
from api.services import services
from overheard import rehearsing
from overheard.alerts.rehearsal import Fired
from overheard.store import brands, series
from overheard.store.keys import Role

OPTIONS = ("sensitivity", "min_posts")


@blueprint.get("/app/alerts/rehearsal")
@requires(Role.viewer)
def rehearsal() -> str:
    """Raises UnprocessableEntity, DataError, NotFound: the page tells what they say."""
    asked, now = _asked(), datetime.now(UTC)
    with services().database.read() as session:
        brand = brands.get(session, asked.brand_id)
        view = View.of_request(session, brand.id, now)
        played = rehearsing.rehearse(
            session, asked.kind, brand.id, asked.options, view.since, now, cooldown_s=asked.cooldown_s
        )
        points, units, _ = view.read(session, brand.id)
        gaps = series.gaps(session, brand.id, view.since, view.until, None)
    marks = [{"at": int(one.since.timestamp()), "kind": "alert", "text": one.title} for one in played.fired]
    chart = drawn.chart(points, units, gaps, marks, lambda since, until: posts_link(brand.id, since=since, until=until))
    chart["series"] = chart["series"][:1]  # the negative share, and posts below it, are what rules look at
    return render_template(
        "rehearsal.html",
        brand=brand,
        view=view,
        played=played,
        months=_months(played.fired, view.since, now),
        chart=chart,
        rows=list(zip(units, points, strict=True)),
    )


def _asked() -> RehearsalBody:
    options = {name: request.args[name] for name in OPTIONS if request.args.get(name)}
    asked = {name: request.args.get(name) or None for name in ("kind", "brand_id", "cooldown_s")}
    try:
        return RehearsalBody.model_validate({**asked, "options": _counted(options)})
    except ValidationError as error:
        fault = error.errors()[0]
        raise UnprocessableEntity(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None


def _counted(options: dict[str, str]) -> dict[str, str | int]:
    """Options are checked strictly: a number is none while it is text."""
    return {name: int(value) if value.isdecimal() else value for name, value in options.items()}


def _months(fired: tuple[Fired, ...], since: datetime, until: datetime) -> list[tuple[str, int]]:
    """Each month of the reader's calendar, and how often it would have fired in it."""
    zone = zones.of_reader()
    counts = Counter(f"{one.since.astimezone(zone):%Y-%m}" for one in fired)
    month, last = since.astimezone(zone).replace(day=1), until.astimezone(zone)
    found = []
    while month <= last:
        found.append((f"{month:%b %Y}", counts[f"{month:%Y-%m}"]))
        month = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
    return found
