"""How a brand is spoken of: shares over time, what changed and why, and who else is spoken of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import render_template
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.auth import requires
from api.pages import brands, drawn, words
from api.pages.brands import Choice
from api.pages.site import blueprint, posts_link
from api.pages.told import language as language_name
from api.pages.view import PERIODS, View
from api.services import services
from overheard import estimates
from overheard.brands import key
from overheard.errors import NotFound
from overheard.scoring.bundle import LABELS
from overheard.store import feeds, listing, movements, quarters, series, shares
from overheard.store.keys import Role
from overheard.store.listing import Listed
from overheard.store.movements import Period
from overheard.store.shares import Estimated
from overheard.store.tables.alerting import Incident
from overheard.store.tables.counts import Hour
from overheard.store.tables.heard import Mention


@dataclass(frozen=True)
class Rival:
    """A brand among those that are compared. voice: its share of all their posts, of 1."""

    brand: Choice
    told: Estimated
    voice: float


@blueprint.get("/")
@requires(Role.viewer)
def overview() -> str:
    brand = brands.chosen()
    if brand is None:
        return render_template("overview.html", state="no brand")
    with services().database.read() as session:
        heard = session.scalar(select(func.max(Hour.hour)).where(Hour.brand_id == brand.id))
        if heard is None:
            return render_template("overview.html", **_silence(session, brand))
        view = View.of_request(session, brand.id, datetime.now(UTC))
        told = _told(session, brand, view)
        return render_template("overview.html", state="heard", view=view, heard=heard, **told)


def _silence(session: Session, brand: Choice) -> dict[str, Any]:
    """Posts are counted a few seconds after they were heard."""
    if session.scalar(select(Mention.post_id).where(Mention.brand_id == brand.id).limit(1)):
        return {"state": "uncounted"}
    return {"state": "no posts", "has_feeds": bool(feeds.page(session, brand.id, None, 1))}


def _told(session: Session, brand: Choice, view: View) -> dict[str, Any]:
    """What the template shows of a brand."""
    source, language = view.filters
    points, units, total = view.read(session, brand.id)
    _, before = shares.read(session, brand.id, [view.before, view.since], source, language)
    gaps = series.gaps(session, brand.id, view.since, view.until, source)
    sources, languages = _heard(session, brand, view)
    changes = estimates.change(before.estimate, total.estimate)
    return {
        "periods": [(value, period.name) for value, period in PERIODS.items()],
        "sources": [("", "All"), *((one, words.platform(one)) for one in sources)],
        "languages": [("", "All"), *((one, language_name(one)) for one in languages)],
        "rows": list(zip(units, points, strict=True)),
        "alerts": _open_alerts(session, brand.id),
        "total": total,
        "before": before,
        "gaps": gaps,
        "figures": [
            (name, share, drawn.moved(change, view.period.before))
            for name, share, change in zip(LABELS, total.estimate.shares, changes, strict=True)
        ],
        "method": drawn.method(total),
        "compared": _compared(brand),
        "chart": drawn.chart(
            points,
            units,
            gaps,
            drawn.marks(session, brand.id, view),
            lambda since, until: posts_link(brand.id, source=source, language=language, since=since, until=until),
        ),
    }


def _open_alerts(session: Session, brand_id: int) -> Sequence[Incident]:
    mine = (Incident.brand_id == brand_id, Incident.resolved_at.is_(None))
    return session.scalars(select(Incident).where(*mine).order_by(Incident.opened_at.desc()).limit(3)).all()


def _heard(session: Session, brand: Choice, view: View) -> tuple[list[str], list[str]]:
    """Sources and languages of this time and the one before, and the chosen ones."""
    found = {(view.source, view.language)}
    for table, lately in quarters.covering(view.before, view.until):
        rows = select(table.source, table.language).where(table.brand_id == brand.id, *lately).distinct()
        found |= {(source, language) for source, language in session.execute(rows)}
    columns = zip(*found, strict=True)
    sources, languages = (sorted({*column} - {""}) for column in columns)
    return sources, languages


def _compared(brand: Choice) -> Sequence[Choice]:
    """The brand itself, and those of its competitors that are listened for."""
    named = {key(name) for name in brand.competitors}
    others = [one for one in brands.all_of_them() if key(one.name) in named and one.id != brand.id]
    return [brand, *others]


@blueprint.get("/app/overview/compared")
@requires(Role.viewer)
def compared() -> str:
    """A part of the overview: each brand takes as long to read as the one that the page is of."""
    brand = _the_chosen()
    with services().database.read() as session:
        view = View.of_request(session, brand.id, datetime.now(UTC))
        span = [view.since, view.until]
        told = [(one, shares.read(session, one.id, span, *view.filters)[1]) for one in _compared(brand)]
    posts = sum(total.point.posts for _, total in told)
    rivals = [Rival(one, total, total.point.posts / posts if posts else 0) for one, total in told]
    return render_template("compared.html", rivals=rivals)


@blueprint.get("/app/overview/why")
@requires(Role.viewer)
def why() -> str:
    """A part of the overview: it reads texts, so the page does not wait for it."""
    brand = _the_chosen()
    with services().database.read() as session:
        view = View.of_request(session, brand.id, datetime.now(UTC))
        before, after = Period(view.before, view.since), Period(view.since, view.until)
        found = movements.why(session, brand.id, before, after, of=view.filters)
        examples = [listing.get(session, post_id) for post_id in found.examples]
    return render_template("why.html", view=view, found=found, examples=_worst_first(examples))


def _worst_first(examples: Sequence[Listed]) -> Sequence[Listed]:
    return sorted(examples, key=lambda one: -(one.score.negative if one.score else 0))


def _the_chosen() -> Choice:
    """Raises NotFound."""
    brand = brands.chosen()
    if brand is None:
        raise NotFound("brand", "")
    return brand
