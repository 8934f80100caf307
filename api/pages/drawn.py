"""A brand's series as js/chart.js draws it."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.pages import words
from api.pages.view import View
from overheard.estimates import Method
from overheard.intervals import NONE, Share
from overheard.scoring.bundle import LABELS
from overheard.store import quarters
from overheard.store.series import Missing, Point
from overheard.store.shares import Estimated
from overheard.store.tables.alerting import Incident

MOST_ALERTS = 100


def chart(
    told: Sequence[Estimated],
    units: Sequence[Point],
    gaps: Sequence[Missing],
    marks: Sequence[dict[str, Any]],
    link: Callable[[datetime, datetime], str],
) -> dict[str, Any]:
    """told: what the point of each unit rests on. link: the address of the posts of a stretch of time."""
    return {
        "x": [_second(unit.since) for unit in units],
        "ends": [_second(unit.until) for unit in units],
        "starts": [_second(one.point.since) for one in told],
        "series": [_line(told, place, name) for place, name in enumerate(LABELS)],
        "volume": [unit.posts for unit in units],
        "posts": [one.point.posts for one in told],
        "gaps": [[_second(gap.since), _second(gap.until), gap.reason] for gap in gaps],
        "marks": marks,
        "links": [link(one.point.since, one.point.until) for one in told],
    }


def _line(told: Sequence[Estimated], place: int, name: str) -> dict[str, Any]:
    shares = [one.estimate.shares[place] for one in told]
    drawn = [NONE if words.is_unsure(share) else share for share in shares]
    ends = {end: [_rounded(getattr(share, end)) for share in drawn] for end in ("point", "low", "high")}
    why = [words.lacking(share) if one.point.posts else "no posts" for one, share in zip(told, shares, strict=True)]
    return {"name": name.capitalize(), "mood": name, "why": why, **ends}


def marks(session: Session, brand_id: int, view: View) -> list[dict[str, Any]]:
    """When another model version began to read the brand's posts, and when alerts were opened; the earliest first."""
    found = [*_models(session, brand_id, view), *_alerts(session, brand_id, view)]
    return sorted(found, key=lambda mark: int(mark["at"]))


def _models(session: Session, brand_id: int, view: View) -> Iterator[dict[str, Any]]:
    """The first version changed nothing. It may have read before: so the period before is looked at, too."""
    for version, at in [*quarters.first_read(session, brand_id, view.before, view.until).items()][1:]:
        if view.since <= at < view.until:
            yield {"at": _second(at), "kind": "model", "text": f"model {version} reads from here on"}


def _alerts(session: Session, brand_id: int, view: View) -> Iterator[dict[str, Any]]:
    mine = (Incident.brand_id == brand_id, Incident.opened_at >= view.since, Incident.opened_at < view.until)
    query = select(Incident).where(*mine).order_by(Incident.opened_at.desc()).limit(MOST_ALERTS)
    for incident in session.scalars(query):
        yield {"at": _second(incident.opened_at), "kind": "alert", "text": incident.finding["title"]}


def moved(change: Share, before: str) -> str:
    """How a share has changed, in words that claim no more than is sure. before: with what it is compared."""
    if change.point is None or change.low is None or change.high is None:
        return f"too few posts in {before} to compare"
    margin = words.plus_minus(max(change.high - change.point, change.point - change.low))
    if change.low > 0 or change.high < 0:
        way = "up" if change.point > 0 else "down"
        return f"{way} {words.points(abs(change.point)).lstrip('+')} ({margin}) on {before}"
    return f"no clear change on {before}"


def method(one: Estimated) -> tuple[str, str, str]:
    """How far the shares can be trusted: a badge's words and kind, and a sentence."""
    audits = f"{words.count(one.estimate.audits)} posts"
    match one.estimate.method:
        case Method.audited:
            return "Audited", "good", f"People checked {audits} of these; the shares are corrected by what they found."
        case Method.nearby:
            said = f"People checked {audits} of the weeks around, and too few of these: the margins allow for that."
            return "Audited nearby", "calm", said
        case Method.corrected:
            said = "Nobody has checked the model's answers on this brand yet: the margins allow for what it may err."
            return "Not audited", "warn", said
        case Method.too_few:
            return "Too few posts", "warn", f"{words.count(one.point.scored)} scored posts are too few for a share."


def _second(at: datetime) -> int:
    return int(at.timestamp())


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
