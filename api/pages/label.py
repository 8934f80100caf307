"""Labelling, one post after the other; and what labels are good for: the next training, what the last one bought."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import g, render_template
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth import requires
from api.pages import brands, told, words
from api.pages.site import blueprint
from api.services import services
from overheard.agreement import agreement
from overheard.store import labels, trainings
from overheard.store.keys import Role
from overheard.store.tables.learning import Model

ENOUGH_TEXTS = 10
"""Of fewer texts that two people labelled no agreement is told."""


@dataclass(frozen=True)
class Bought:
    """What the newest training came to. labels: how many of ours it learned from. change: of macro-recall."""

    version: str
    at: datetime
    labels: int | None
    is_promoted: bool
    change: dict[str, float]
    reason: str


@blueprint.get("/app/label")
@requires(Role.viewer)
def label() -> str:
    brand, house = brands.chosen(), services()
    if brand is None or g.role < Role.labeller:
        return render_template("label.html", state="no brand" if brand is None else "may not")
    with house.database.read() as session:
        fresh = trainings.fresh_labels(session)
        agreed = agreement(labels.said_twice(session))
        bought = _bought(session)
    return render_template(
        "label.html",
        state="there",
        owner=g.owner,
        platforms=words.PLATFORMS,
        fresh=fresh,
        agreed=agreed if agreed.texts >= ENOUGH_TEXTS else None,
        said_twice=agreed.texts,
        enough=ENOUGH_TEXTS,
        bought=bought,
        next_training=told.next_training(),
    )


def _bought(session: Session) -> Bought | None:
    trained = select(Model).where(Model.job_id.is_not(None), Model.verdict.is_not(None))
    model = session.scalar(trained.order_by(Model.created_at.desc(), Model.version.desc()).limit(1))
    if model is None or not model.verdict:
        return None
    verdict: dict[str, Any] = model.verdict
    learned = (model.facts.get("snapshot") or {}).get("fresh", {}).get("train")
    reasons = [*verdict["vetoes"], *verdict["reasons"]]
    return Bought(
        model.version, model.created_at, learned, verdict["promoted"], verdict["change"], reasons[0] if reasons else ""
    )
