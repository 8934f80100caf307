"""The week's posts of each brand, held against the reference of the model in service."""

import logging
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from overheard import drift, reference, registry
from overheard.drift import Counts, Reference
from overheard.reference import Vocabulary
from overheard.scoring.bundle import LABELS
from overheard.settings import Settings
from overheard.store import brands, drifts, models, sampled
from overheard.store.database import Database
from overheard.store.sampled import Sampled
from overheard.store.tables.learning import Model

POSTS: Final = 2_000
"""Of a week that are read: a shift of five points in a class is seen on so many."""
DAY: Final = timedelta(days=1)
log = logging.getLogger(__name__)


def measure(database: Database, settings: Settings, now: datetime) -> dict[str, Any]:
    """Measure the week that yesterday was in: on Mondays the one that has ended. Doing it again replaces what was.

    For JSON: `model`, `brands` that had posts enough, and `drifting`, their ids; or a `problem`: there is no reference.
    Raises BundleError when the model can't be had.
    """
    with database.read() as session:
        model = models.serving(session, settings.first_model)
        wanted = [brand.id for brand in brands.all_of_them(session)]
    if model is None:
        return {"problem": "no model serves yet"}
    bundle = registry.bundle_of(model, settings)
    known = reference.read(bundle)
    if known is None:
        return {"model": model.version, "problem": f"no reference: the bundle of model {model.version} has none"}
    measured = _Measured(database, model, bundle, *known)
    found = {brand_id: measured.keep(brand_id, now) for brand_id in wanted}
    drifting = sorted(brand_id for brand_id, features in found.items() if any(one.is_drift for one in features))
    return {"model": model.version, "brands": sum(map(bool, found.values())), "drifting": drifting}


class _Measured:
    """What is held against what."""

    def __init__(self, database: Database, model: Model, bundle: Path, known: Reference, ids: list[int]) -> None:
        self._database, self._model, self._known, self._ids = database, model, known, ids
        self._vocabulary = Vocabulary.of(bundle)

    def keep(self, brand_id: int, now: datetime) -> list[drift.Drift]:
        week = drifts.week_of(now - DAY)
        with self._database.read() as session:
            posts = sampled.posts(session, brand_id, week, week + drifts.WEEK, POSTS, model=self._model.version)
        found = drift.report(self._counts(posts), self._known, LABELS)
        with self._database.write() as session:
            drifts.keep(session, brand_id, week, self._model.version, found, now)
        return found

    def _counts(self, posts: list[Sampled]) -> Counts:
        distinct = [posts[place] for place in reference.distinct([post.text for post in posts])]
        return reference.count(
            [post.text for post in distinct],
            [int(np.argmax(post.scores)) for post in distinct if post.model],
            [post.language for post in distinct],
            self._vocabulary,
            self._ids,
        )
