"""How good models were found to be, training by training and check by check; and what the newest check says of it."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from overheard.falls import FIGURES, Fall, Run, errors
from overheard.store import schedules
from overheard.store.tables.audits import Quality
from overheard.store.tables.learning import Model

CHECK: Final = "accuracy-check"
"""The entry of the timetable that measures the model in service."""
WEEKS: Final = 8
Z: Final = 1.96
"""Of the 95 % intervals of estimates."""
CHECKS: Final = 30
"""Its runs that are looked at: a month."""


def newest(session: Session) -> list[Fall]:
    """What the newest check that came to an end found to have fallen; empty: nothing, or nothing was checked yet."""
    for slot in schedules.runs(session, CHECK, CHECKS):
        outcome = schedules.outcome_of(slot) or {}
        if "falls" in outcome:
            return [Fall.of(kept) for kept in outcome["falls"]]
    return []


def trained(session: Session, count: int) -> list[Run]:
    """What the last trainings produced, as their gates judged it, the newest first."""
    query = select(Model).where(Model.job_id.is_not(None)).order_by(Model.created_at.desc(), Model.version.desc())
    return [run for model in session.scalars(query.limit(count)) if (run := _judged(model))]


def served(session: Session, labels: str) -> list[Run]:
    """How the model in service did in past checks on labels of this kind (`audit`, `held-out`), the newest first."""
    runs = []
    for slot in schedules.runs(session, CHECK, CHECKS):
        outcome = schedules.outcome_of(slot) or {}
        if outcome.get("labels") == labels and "errors" in outcome:
            runs.append(run_of(session, outcome, slot.finished_at or slot.due_at))
    return runs


def estimated(session: Session, now: datetime) -> dict[int, list[Run]]:
    """How right models are believed to be on each brand's last WEEKS weeks, without labels, the newest first.

    Of a week the version that read most of it.
    """
    everything = (Quality.source == "", Quality.language == "", Quality.week > now - timedelta(weeks=WEEKS))
    query = select(Quality).where(*everything).order_by(Quality.week.desc(), Quality.posts.desc(), Quality.model)
    found = defaultdict[int, dict[datetime, Run]](dict)
    for row in session.scalars(query):
        if row.week not in found[row.brand_id] and (run := _expected(session, row)):
            found[row.brand_id][row.week] = run
    return {brand_id: list(runs.values()) for brand_id, runs in sorted(found.items())}


def _expected(session: Session, row: Quality) -> Run | None:
    """None where the posts were too few for an interval."""
    shares: dict[str, Any] = {name: (row.figures.get("expected") or {}).get(name) or {} for name in FIGURES}
    if any(share.get("point") is None for share in shares.values()):
        return None
    figures = {name: share["point"] for name, share in shares.items()}
    deviations = {name: (share["high"] - share["low"]) / (2 * Z) for name, share in shares.items()}
    return _run(session.get(Model, row.model), row.model, row.week, row.posts, figures, deviations)


def run_of(session: Session, outcome: dict[str, Any], at: datetime) -> Run:
    """A check that came to figures, as a run. outcome: as `overheard.accuracy.check` gives it."""
    return _run(session.get(Model, outcome["model"]), outcome["model"], at, outcome["n"], outcome, outcome["errors"])


def _judged(model: Model) -> Run | None:
    """None where the gate's figures are not kept."""
    slices = (model.verdict or {}).get("slices") or [{}]
    if (found := slices[0].get("challenger")) is None:
        return None
    return _run(model, model.version, model.created_at, found["n"], found, errors(found["confusion"]))


def _run(
    model: Model | None, version: str, at: datetime, rows: int, figures: dict[str, Any], given: dict[str, float]
) -> Run:
    job_id, facts = (model.job_id or "", model.facts) if model else ("", {})
    links = {"model": f"/models/{version}"}
    if job_id:
        links["training"] = f"/jobs/{job_id}"
    if run := facts.get("mlflow"):
        links["mlflow"] = run
    shown = {name: float(figures[name]) for name in FIGURES}
    return Run(version, job_id, at, rows, **shown, **{f"{name}_error": given[name] for name in FIGURES}, links=links)
