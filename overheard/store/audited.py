"""What people said of the posts that were drawn, with what the model says of them now: what shares are corrected by."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from overheard.aggregates import Floats
from overheard.estimates import Audits
from overheard.store.labels import Purpose
from overheard.store.tables.audits import Audit, Draw
from overheard.store.tables.heard import Score
from overheard.store.tables.learning import Label

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Audited:
    """Labelled posts of some draws, whole: at (n,): when they were posted, in seconds since 1970; source, model (n,):
    the model that read them last; language (n,); probabilities (n, 3) of that model. strata (n,): the place in sizes
    and answered (H,), as `Audits` has them, of all draws together."""

    at: Floats
    source: NDArray[np.str_]
    language: NDArray[np.str_]
    model: NDArray[np.str_]
    text_key: NDArray[np.str_]
    probabilities: Floats
    labels: Ints
    strata: Ints
    sizes: Ints
    answered: Ints

    def between(
        self, since: datetime, until: datetime, source: str | None = None, language: str | None = None
    ) -> Audits:
        return self.cut(self.within(since, until, source, language))

    def within(self, since: datetime, until: datetime, source: str | None = None, language: str | None = None) -> Mask:
        """(n,) which are of this time, source and language."""
        within = (self.at >= since.timestamp()) & (self.at < until.timestamp())
        if source:
            within &= self.source == source
        if language:
            within &= self.language == language
        return within

    def cut(self, chosen: Mask) -> Audits:
        """(n,) of those. Only their strata are left: what is not of a part says nothing of it."""
        strata = self.strata[chosen]
        is_left = np.bincount(strata, minlength=len(self.sizes)) > 0
        places = np.cumsum(is_left) - 1
        return Audits(
            self.probabilities[chosen], self.labels[chosen], places[strata], self.sizes[is_left], self.answered[is_left]
        )


_COLUMNS: Final = (
    *(Audit.id, Audit.draw_id, Audit.stratum, Audit.posted_at, Audit.source, Audit.language, Audit.text_key),
    *(Label.label, Score.model),
    *(Audit.model, Audit.negative, Audit.neutral, Audit.positive),
    *(Score.negative, Score.neutral, Score.positive),
)


def read(session: Session, brand_id: int, since: datetime, until: datetime) -> Audited:
    """Of all draws that reach into this time. A text's newest audit label counts, and a post's newest score: so they
    speak of the same model version as the hourly counts. Of a post that is gone the score that it was drawn with does.
    """
    draws = select(Draw).where(Draw.brand_id == brand_id, Draw.since < until, Draw.until > since).order_by(Draw.id)
    found = session.scalars(draws).all()
    firsts, sizes = {}, list[int]()
    for draw in found:
        firsts[draw.id] = len(sizes)
        sizes += [stratum["posts"] for stratum in draw.strata]
    rows = _answers(session, list(firsts))
    columns = zip(*rows, strict=True) if rows else [()] * len(_COLUMNS)
    _, draw_id, stratum, at, source, language, text_key, label, read_by, drawn_by, *scores = map(list, columns)
    then, now = (np.array(some, np.float64).T for some in (scores[:3], scores[3:]))
    is_read = np.array([model is not None for model in read_by], np.bool_)
    strata = np.array([firsts[draw] for draw in draw_id], np.int64) + np.array(stratum, np.int64)
    return Audited(
        at=np.array([moment.timestamp() for moment in at], np.float64),
        source=np.array(source, np.str_),
        language=np.array(language, np.str_),
        model=np.where(is_read, np.array(read_by, np.str_), np.array(drawn_by, np.str_)),
        text_key=np.array(text_key, np.str_),
        probabilities=np.where(is_read[:, None], now, then),
        labels=np.array(label, np.int64),
        strata=strata,
        sizes=np.array(sizes, np.int64),
        answered=np.bincount(strata, minlength=len(sizes)),
    )


def _answers(session: Session, draw_ids: Sequence[int]) -> list[Any]:
    """An audit each, in the order of their ids."""
    query = (
        select(*_COLUMNS)
        .join(Label, (Label.text_key == Audit.text_key) & (Label.purpose == Purpose.audit))
        .outerjoin(Score, Score.post_id == Audit.post_id)
        .where(Audit.draw_id.in_(draw_ids))
        .order_by(Audit.id, Label.labelled_at, Label.id, Score.scored_at, Score.model)
    )
    newest = {row[0]: row for row in session.execute(query)}
    return list(newest.values())
