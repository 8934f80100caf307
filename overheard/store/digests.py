"""How a brand's week was, from what is stored: for the digest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from overheard import estimates
from overheard.intervals import Share
from overheard.store import audits, falls, models, movements, schedules, series, shares
from overheard.store.movements import Movement, Period
from overheard.store.series import Missing
from overheard.store.shares import Estimated
from overheard.store.tables.alerting import Incident
from overheard.store.tables.audits import Drift, Quality
from overheard.store.tables.heard import Brand, Feed, Mention

WEEK: Final = timedelta(days=7)


@dataclass(frozen=True)
class Accuracy:
    """How often the model is right. weekly: `expected` without labels and `audited` on the brand's week, as
    `overheard.performance` gives them, for JSON; None where neither is known.

    checked: by the last check on people's labels, None where there were too few. fallen: what that check found to have
    fallen, a line each.
    """

    weekly: dict[str, Any] | None
    checked: dict[str, Any] | None
    fallen: tuple[str, ...]


@dataclass(frozen=True)
class Week:
    """A brand's week from a Monday (UTC) and the week before it. changes: of negative, neutral, positive between them.

    movement: why the negative share moved, None when either week has no scored post. model: the version that serves,
    None before any does. drifted: features in which the week differs from what the model was trained on.
    incidents: that were open at any time of the week. audits: posts that wait for people to check them.
    """

    brand: Brand
    since: datetime
    until: datetime
    now: Estimated
    before: Estimated
    changes: tuple[Share, Share, Share]
    movement: Movement | None
    model: str | None
    accuracy: Accuracy
    drifted: tuple[str, ...]
    gaps: Sequence[Missing]
    incidents: Sequence[Incident]
    audits: int


def monday(at: datetime) -> datetime:
    """When the week began that this time is in (UTC)."""
    return at.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=at.weekday())


def heard_of(session: Session, since: datetime) -> list[int]:
    """Brands with a feed, or a post since then."""
    listened = select(Feed.id).where(Feed.brand_id == Brand.id).exists()
    said = select(Mention.post_id).where(Mention.brand_id == Brand.id, Mention.posted_at >= since).exists()
    return list(session.scalars(select(Brand.id).where(or_(listened, said)).order_by(Brand.id)))


def read(session: Session, brand: Brand, since: datetime, first_model: str) -> Week:
    """since: a Monday. first_model: what serves before anything was promoted."""
    until = since + WEEK
    (before, now), _ = shares.read(session, brand.id, [since - WEEK, since, until])
    can_move = before.point.scored and now.point.scored
    periods = Period(since - WEEK, since), Period(since, until)
    serving = models.serving(session, first_model)
    version = serving.version if serving else None
    return Week(
        brand=brand,
        since=since,
        until=until,
        now=now,
        before=before,
        changes=estimates.change(before.estimate, now.estimate),
        movement=movements.why(session, brand.id, *periods) if can_move else None,
        model=version,
        accuracy=_accuracy(session, brand.id, since, version),
        drifted=_drifted(session, brand.id, since, version),
        gaps=series.gaps(session, brand.id, since, until),
        incidents=_incidents(session, brand.id, since, until),
        audits=audits.ask(session, brand.id, 0).left,
    )


def _accuracy(session: Session, brand_id: int, week: datetime, version: str | None) -> Accuracy:
    whole = (Quality.source == "", Quality.language == "", Quality.model == (version or ""))
    quality = session.scalar(select(Quality).where(Quality.brand_id == brand_id, Quality.week == week, *whole))
    checks = (schedules.outcome_of(slot) or {} for slot in schedules.runs(session, falls.CHECK, falls.CHECKS))
    checked = next((outcome for outcome in checks if "accuracy" in outcome and outcome.get("model") == version), None)
    return Accuracy(
        weekly=quality.figures if quality else None,
        checked=checked,
        fallen=tuple(map(str, falls.newest(session))),
    )


def _drifted(session: Session, brand_id: int, week: datetime, version: str | None) -> tuple[str, ...]:
    found = (Drift.brand_id == brand_id, Drift.week == week, Drift.model == (version or ""), Drift.is_drift)
    return tuple(session.scalars(select(Drift.feature).where(*found).order_by(Drift.feature)))


def _incidents(session: Session, brand_id: int, since: datetime, until: datetime) -> Sequence[Incident]:
    within = (Incident.opened_at < until, or_(Incident.resolved_at.is_(None), Incident.resolved_at >= since))
    query = select(Incident).where(Incident.brand_id == brand_id, *within)
    return session.scalars(query.order_by(Incident.opened_at, Incident.id)).all()
