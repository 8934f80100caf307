"""How often the model in service is right, by what people said of texts lately that it never trained on; and whether
that, or what trainings produce, has become worse."""

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from overheard import falls, registry
from overheard.evaluation import evaluate
from overheard.scoring.bundle import load_manifest
from overheard.scoring.load import load_engine
from overheard.settings import Settings
from overheard.store import falls as judged
from overheard.store import labels, models
from overheard.store.database import Database
from overheard.store.tables.learning import Label
from overheard.training.snapshot import is_held_out

DAYS: Final = 90
LEAST: Final = 50
"""On fewer labels an accuracy would say nothing: it is uncertain by 14 points and more."""
MOST: Final = 2_000
"""Uncertain by 2 points, and scored within seconds."""


def check(database: Database, settings: Settings, now: datetime) -> dict[str, Any]:
    """For JSON: which labels (`audit`, else `held-out`), `n`, `accuracy`, `macro_recall` with their standard `errors`,
    `model`; and `falls` (`overheard.falls`): of the last trainings, from check to check, and of what is estimated
    without labels from week to week.

    Where there are too few of both kinds of labels, `n` and what is needed, and the other falls. Raises BundleError
    when the model can't be had.
    """
    limit = settings.max_accuracy_fall
    with database.read() as session:
        found = falls.find("trainings", judged.trained(session, settings.watched_trainings), limit)
        for brand_id, runs in judged.estimated(session, now).items():
            found += falls.find("estimated", runs, limit, brand_id)
    outcome = measure(database, settings, now)
    if "accuracy" in outcome:
        with database.read() as session:
            checks = [judged.run_of(session, outcome, now), *judged.served(session, outcome["labels"])]
        found += falls.find("service", checks, limit)
    return {**outcome, "falls": [fall.as_dict() for fall in found]}


def measure(database: Database, settings: Settings, now: datetime) -> dict[str, Any]:
    """The model in service on recent labels: all of `check` but the falls."""
    with database.read() as session:
        model = models.serving(session, settings.first_model)
        learned = models.taught_to(session, model.version) if model else frozenset()
        kind, found = recent(session, now - timedelta(days=DAYS), learned)
    if len(found) < LEAST:
        return {"labels": kind, "n": len(found), "problem": f"too few labels of the last {DAYS} days: {LEAST} needed"}
    bundle = registry.in_service(settings)
    engine = load_engine(bundle, settings.model_copy(update={"device": "cpu"}))  # it is done before a GPU has awoken
    figures = evaluate(engine.score([label.text for label in found]), [label.label for label in found])
    shown = {"accuracy": round(figures.accuracy, 4), "macro_recall": round(figures.macro_recall, 4)}
    errors = falls.errors(figures.confusion)
    return {"labels": kind, "n": figures.n, **shown, "errors": errors, "model": load_manifest(bundle).version}


def recent(session: Session, since: datetime, learned: AbstractSet[str]) -> tuple[str, list[Label]]:
    """The newest audit labels; where those are too few, the held-out labels if these are more. At most MOST.

    learned: keys of texts that are left out: a text may have trained the model before somebody audited it.
    """
    audited = _unknown(labels.newest_audited(session), since, learned)
    if len(audited) < LEAST:
        fresh = [label for label in labels.for_training(session) if is_held_out(label.text_key)]
        held_out = _unknown(fresh, since, learned)
        if len(held_out) > len(audited):
            return "held-out", held_out[:MOST]
    return "audit", audited[:MOST]


def _unknown(given: list[Label], since: datetime, learned: AbstractSet[str]) -> list[Label]:
    return [label for label in given if label.labelled_at >= since and label.text_key not in learned]
