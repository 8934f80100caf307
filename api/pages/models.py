"""Which version reads the posts and how good it is, what the next one learns, and what the last trainings came to."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final

from flask import render_template
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth import requires
from api.pages import brands, judged, told
from api.pages.jobs import Shown
from api.pages.judged import Compared
from api.pages.site import asked, blueprint
from api.schemas import PageQuery, encode_cursor
from api.services import Services, services
from overheard.errors import ScoringUnavailable
from overheard.store import drifts, falls, jobs, trainings
from overheard.store import models as versions
from overheard.store.keys import Role
from overheard.store.tables.learning import Model

AT_ONCE: Final = 10
TRAININGS: Final = 30
WEEKS: Final = 12
CHECKS: Final = {"audit": "Checks on audited posts", "held-out": "Checks on held-out labels"}


@blueprint.get("/app/models")
@requires(Role.viewer)
def models() -> str:
    house, query = services(), asked(PageQuery, limit=AT_ONCE)
    with house.database.read() as session:
        trained = _trained(session)  # held from here on: what the session knows is not read again
        found = versions.page(session, query.after, query.limit + 1)
        shown = found[: query.limit]
        return render_template(
            "models.html",
            **_service(session, house, trained),
            **_training(session, house),
            **_over_time(session, trained),
            **_drift(session),
            newest=trained[0] if trained else None,
            compared=Compared.of(trained[0].verdict or {}) if trained else None,
            versions=[(model, judged.figures(model, trained), judged.learned(model)) for model in shown],
            next_cursor=encode_cursor(shown[-1].created_at, shown[-1].version) if len(found) > query.limit else None,
        )


@blueprint.get("/app/models/<version>")
@requires(Role.viewer)
def model(version: str) -> str:
    house = services()
    with house.database.read() as session:
        one, trained = versions.get(session, version), _trained(session)
        return render_template(
            "model.html",
            **_service(session, house, trained),
            one=one,
            figures=judged.figures(one, trained),
            learned=judged.learned(one),
            compared=Compared.of(one.verdict) if one.verdict else None,
            sure=judged.calibration(one, trained),
            losses=judged.loss_curve(one.facts),
        )


def _service(session: Session, house: Services, trained: Sequence[Model]) -> dict[str, Any]:
    """What serves, since when and why, and what that means for the other versions."""
    aliases = versions.aliases(session, house.settings.first_model)
    serving, chosen = versions.serving(session, house.settings.first_model), versions.champion(session)
    try:
        crew = house.desk.crew.living()
    except ScoringUnavailable:
        crew = []
    return {
        "aliases": aliases,
        "serving": serving,
        "serving_figures": serving and judged.figures(serving, trained),
        "chosen": chosen,
        "chosen_by": told.people(session, [chosen.changed_by])[chosen.changed_by] if chosen else None,
        "chosen_job": serving.job_id if chosen and serving and chosen.changed_by.startswith("training ") else None,
        "workers": len(crew),
        "in_step": sum(beat.model == serving.version for beat in crew) if serving else 0,
        "problems": sorted({beat.problem for beat in crew if beat.problem}),
        "mlflow": house.settings.mlflow_url or house.settings.running_stack.get("mlflow_url"),
    }


def _training(session: Session, house: Services) -> dict[str, Any]:
    """The one that runs, or the last one; and what the next one would have to learn from."""
    newest, last = trainings.newest(session), None
    if newest and newest.state in jobs.FINISHED:
        newest, last = None, newest
    job = newest or last
    try:
        house.desk.check_trainers()
        missing = ""
    except ScoringUnavailable as problem:
        missing = str(problem)
    return {
        "training": Shown.of(session, job) if job else None,
        "is_running": newest is not None,
        "no_trainer": missing,
        "fresh_labels": trainings.fresh_labels(session),
        "next_training": told.next_training(),
        "losses": judged.loss_curve(job.facts if job else None),
    }


def _trained(session: Session) -> Sequence[Model]:
    """What the last trainings made, the newest first."""
    query = select(Model).where(Model.job_id.is_not(None), Model.verdict.is_not(None))
    return session.scalars(query.order_by(Model.created_at.desc(), Model.version.desc()).limit(TRAININGS)).all()


def _over_time(session: Session, trained: Sequence[Model]) -> dict[str, Any]:
    runs = {
        "Trainings": falls.trained(session, TRAININGS),
        **{name: falls.served(session, kind) for kind, name in CHECKS.items()},
    }
    return {
        "trained": [(one, Compared.of(one.verdict or {}), judged.learned(one)) for one in trained],
        "learning": judged.learning_curve(trained[::-1]),
        "runs": sorted(
            ((name, run) for name, found in runs.items() for run in found), key=lambda one: one[1].at, reverse=True
        ),
        "accuracy": judged.accuracy_curve(runs),
        "fallen": falls.newest(session),
    }


def _drift(session: Session) -> dict[str, Any]:
    """Of the chosen brand: by week, as the model that was measured last has it."""
    brand = brands.chosen()
    if brand is None:
        return {"drift": None}
    first = drifts.week_of(datetime.now(UTC)) - timedelta(weeks=WEEKS - 1)
    rows = drifts.since(session, brand.id, first)
    weeks = []
    for week, measured in groupby(rows, key=lambda row: row.week):
        (newest, *rest) = measured
        same = [newest, *(row for row in rest if row.model == newest.model)]
        weeks.append((week, newest.model, {row.feature: row.figures for row in same}))
    curve = judged.drift_curve([(week, features) for week, _, features in reversed(weeks)])
    return {"drift": {"weeks": weeks, "curve": curve, "problem": drifts.problem(session)}}
