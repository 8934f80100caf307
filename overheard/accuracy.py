"""How often the model in service is right, by what people said of texts lately that it never trained on."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from overheard import registry
from overheard.evaluation import evaluate
from overheard.scoring.bundle import load_manifest
from overheard.scoring.load import load_engine
from overheard.settings import Settings
from overheard.store import labels
from overheard.store.database import Database
from overheard.store.tables.learning import Label
from overheard.training.snapshot import is_held_out

DAYS: Final = 90
LEAST: Final = 50
"""On fewer labels an accuracy would say nothing: it is uncertain by 14 points and more."""
MOST: Final = 2_000
"""Uncertain by 2 points, and scored within seconds."""


def check(database: Database, settings: Settings, now: datetime) -> dict[str, Any]:
    """For JSON: which labels (`audit`, else `held-out`), `n`, `accuracy`, `macro_recall`, `model`.

    Where there are too few of both, `n` and what is needed. Raises BundleError when the model can't be had.
    """
    with database.read() as session:
        kind, found = recent(session, now - timedelta(days=DAYS))
    if len(found) < LEAST:
        return {"labels": kind, "n": len(found), "problem": f"too few labels of the last {DAYS} days: {LEAST} needed"}
    bundle = registry.in_service(settings)
    engine = load_engine(bundle, settings.model_copy(update={"device": "cpu"}))  # it is done before a GPU has awoken
    figures = evaluate(engine.score([label.text for label in found]), [label.label for label in found])
    shown = {"accuracy": round(figures.accuracy, 4), "macro_recall": round(figures.macro_recall, 4)}
    return {"labels": kind, "n": figures.n, **shown, "model": load_manifest(bundle).version}


def recent(session: Session, since: datetime) -> tuple[str, list[Label]]:
    """The newest audit labels; where those are too few, the held-out labels if these are more. At most MOST."""
    audited = [label for label in labels.newest_audited(session) if label.labelled_at >= since]
    if len(audited) < LEAST:
        fresh = labels.for_training(session)
        held_out = [label for label in fresh if label.labelled_at >= since and is_held_out(label.text_key)]
        if len(held_out) > len(audited):
            return "held-out", held_out[:MOST]
    return "audit", audited[:MOST]
