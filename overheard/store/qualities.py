"""How right a model is on a brand's posts, week by week: as its probabilities tell, and as audits tell where there are.

Nobody need label anything for the first; the second is the check on it.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from overheard import performance
from overheard.aggregates import Floats, summary
from overheard.performance import Calibration
from overheard.store import audited, models
from overheard.store.audited import Audited
from overheard.store.database import Database
from overheard.store.dialect import inserting, sliced
from overheard.store.tables.audits import Quality
from overheard.store.tables.heard import Brand, Mention, Post, Score
from overheard.store.tables.learning import Taught

WEEK: Final = timedelta(days=7)
WEEKS: Final = 4
"""So many are measured anew: posts are read again and labels come for that long."""
ROWS_AT_ONCE: Final = 10_000
KEY: Final = ("brand_id", "week", "source", "language", "model")
_ABOUT: Final = ("source", "language", "model")


@dataclass(frozen=True)
class _Read:
    """What models said of a week's posts: about (n, 3): source, language and model; probabilities (n, 3)."""

    about: NDArray[np.str_]
    probabilities: Floats


def measure(database: Database, now: datetime) -> dict[str, int]:
    """Keep the figures of each brand's last WEEKS weeks, the present one included. Doing it again changes nothing."""
    with database.read() as session:
        brand_ids = list(session.scalars(select(Brand.id).order_by(Brand.id)))
    kept = 0
    for brand_id, week in product(brand_ids, _weeks(now)):
        with database.read() as session:
            rows = list(_measure(session, brand_id, week, now))
        with database.write() as session:
            if session.get(Brand, brand_id, with_for_update=True):
                _keep(session, brand_id, week, rows)
        kept += len(rows)
    return {"brands": len(brand_ids), "figures": kept}


def page(session: Session, brand_id: int, since: datetime) -> list[Quality]:
    """Newest week first; in a week what is of all sources and languages first."""
    query = select(Quality).where(Quality.brand_id == brand_id, Quality.week > since - WEEK)
    return list(session.scalars(query.order_by(Quality.week.desc(), Quality.source, Quality.language, Quality.model)))


def _weeks(now: datetime) -> list[datetime]:
    monday = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=now.weekday())
    return [monday - back * WEEK for back in range(WEEKS)]


def _keep(session: Session, brand_id: int, week: datetime, rows: list[dict[str, Any]]) -> None:
    session.execute(delete(Quality).where(Quality.brand_id == brand_id, Quality.week == week))
    if rows:
        session.execute(inserting(session, Quality), rows)


def _measure(session: Session, brand_id: int, week: datetime, now: datetime) -> Iterator[dict[str, Any]]:
    read, people = _read(session, brand_id, week), audited.read(session, brand_id, week, week + WEEK)
    sources, languages, versions = (np.unique(read.about[:, place]).tolist() for place in range(3))
    told = models.metrics(session, versions)
    for model in versions:
        calibration = Calibration.of(told.get(model, {}).get("calibration"))
        unseen = ~np.isin(people.text_key, list(_taught(session, model, people.text_key.tolist())))
        for source, language in product(("", *sources), ("", *filter(None, languages))):
            part = {"source": source, "language": language, "model": model}
            mine = _are(read.about, part)
            if mine.sum() >= performance.MIN_POSTS:
                expected = performance.expected(summary(read.probabilities[mine]), calibration).as_dict()
                figures = {"expected": expected, "audited": _audited(people, unseen, part, week)}
                about = {"brand_id": brand_id, "week": week, **part, "posts": int(mine.sum())}
                yield {**about, "figures": figures, "measured_at": now}


def _are(about: NDArray[np.str_], part: dict[str, str]) -> NDArray[np.bool_]:
    """(n,) whether a row of `about` is of this part; an empty name is all."""
    chosen = np.ones(len(about), np.bool_)
    for place, name in enumerate(_ABOUT):
        if part[name]:
            chosen &= about[:, place] == part[name]
    return chosen


def _audited(people: Audited, unseen: NDArray[np.bool_], part: dict[str, str], week: datetime) -> dict[str, Any] | None:
    """On the texts that this model has not trained on: on others it is right too often."""
    about = np.stack([people.source, people.language, people.model], axis=1)
    within = (people.at >= week.timestamp()) & (people.at < (week + WEEK).timestamp())
    cut = people.cut(_are(about, part) & within & unseen)
    return performance.measured(cut).as_dict() if len(cut) >= performance.MIN_AUDITS else None


def _read(session: Session, brand_id: int, week: datetime) -> _Read:
    columns = (Post.source, Post.language, Score.model, Score.negative, Score.neutral, Score.positive)
    within = (Mention.brand_id == brand_id, Mention.posted_at >= week, Mention.posted_at < week + WEEK)
    query = select(*columns).join(Mention, Mention.post_id == Post.id).join(Score, Score.post_id == Post.id)
    about, numbers = [np.zeros((0, 3), np.str_)], [np.zeros((0, 3))]
    for rows in session.execute(query.where(*within).execution_options(yield_per=ROWS_AT_ONCE)).partitions():
        about.append(np.array([row[:3] for row in rows], np.str_))
        numbers.append(np.array([row[3:] for row in rows], np.float64))
    return _Read(np.concatenate(about), np.concatenate(numbers))


def _taught(session: Session, model: str, keys: Collection[str]) -> set[str]:
    found: set[str] = set()
    for some in sliced(sorted(set(keys))):
        found |= set(session.scalars(select(Taught.text_key).where(Taught.model == model, Taught.text_key.in_(some))))
    return found
