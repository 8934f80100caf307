"""Samples of what was said of a brand, for people to check: drawn once, and never from the same hours again."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from sqlalchemy import distinct, func, select
from sqlalchemy.orm import Session

from overheard import audits
from overheard.aggregates import Floats
from overheard.audits import Ints, Sample
from overheard.errors import Conflict, NotFound
from overheard.scoring.text import key
from overheard.store import brands, hours
from overheard.store.database import Database
from overheard.store.labels import Purpose
from overheard.store.scores import newest
from overheard.store.tables.audits import Audit, Draw
from overheard.store.tables.heard import Brand, Mention, Post, Score
from overheard.store.tables.learning import Label

LOOK_BACK: Final = timedelta(days=28)
"""How far the first draw of a brand goes back, or one after a long pause."""
ROWS_AT_ONCE: Final = 10_000


@dataclass(frozen=True)
class Listed:
    """drawn: posts. answered: of those a person said what they mean; unclear: could not tell."""

    draw: Draw
    drawn: int
    answered: int
    unclear: int


def draw_due(database: Database, count: int, now: datetime) -> dict[str, int]:
    """Draw for each brand of what was said since its last draw, to the hour. Returns how many draws and posts.

    Each brand has a transaction of its own: what was killed goes on with the brands that are left.
    """
    with database.read() as session:
        brand_ids = list(session.scalars(select(Brand.id).order_by(Brand.id)))
    drawn = []
    for brand_id in brand_ids if count else ():
        with database.read() as session:
            since, until = next_window(session, brand_id, now)
        if since < until:
            try:
                drawn.append(draw(database, brand_id, since, until, count, now)[0])
            except (Conflict, NotFound):
                continue  # nothing was said, somebody else was faster, or the brand is gone
    return {"draws": len(drawn), "posts": sum(row["drawn"] for one in drawn for row in one.strata)}


def next_window(session: Session, brand_id: int, now: datetime) -> tuple[datetime, datetime]:
    """What a draw made now is of: since the last one, at most LOOK_BACK; nothing where since is not before until."""
    until = hours.start(now)
    last = session.scalar(select(func.max(Draw.until)).where(Draw.brand_id == brand_id))
    return max(last or until - LOOK_BACK, until - LOOK_BACK), until


def draw(
    database: Database, brand_id: int, since: datetime, until: datetime, count: int, now: datetime
) -> tuple[Draw, bool]:
    """A draw of `count` posts of what was said in these hours, and whether it is new. Raises NotFound; Conflict where
    nothing was said, or some of it was drawn from before.

    since, until: whole hours, from 1970 on.

    Texts that the model has trained on may be drawn: a share is of all posts, and people choose what they correct,
    so the rest would be a sample of something else. An audit label then keeps such a text out of later trainings.
    All is read before the transaction that writes, which is short; of two at once the second finds the first's draw.
    """
    with database.read() as session:
        brands.get(session, brand_id)
        if present := _present(session, brand_id, since, until):
            return present, False
        ids, probabilities = _population(session, brand_id, since, until)
    seed = (brand_id, int(since.timestamp()), int(until.timestamp()))
    found = audits.sample(probabilities, count, seed)
    if not len(found.places):
        raise Conflict("nothing that was said then has a score")
    with database.write() as session:
        if session.get(Brand, brand_id, with_for_update=True) is None:
            raise NotFound("brand", str(brand_id))
        if present := _present(session, brand_id, since, until):
            return present, False
        strata = [asdict(stratum) for stratum in found.table]
        made = Draw(brand_id=brand_id, since=since, until=until, strata=strata, drawn_at=now)
        session.add(made)
        session.flush()
        session.add_all(_audits(session, made, ids[found.places].tolist(), found))
    return made, True


def _present(session: Session, brand_id: int, since: datetime, until: datetime) -> Draw | None:
    """The draw of just these hours. Raises Conflict where some of them were drawn from."""
    mine = (Draw.brand_id == brand_id, Draw.since < until, Draw.until > since)
    found = session.scalars(select(Draw).where(*mine).order_by(Draw.until)).all()
    for one in found:
        if (one.since, one.until) == (since, until):
            return one
    if found:
        first, last = found[0].since, found[-1].until
        reason = f"posts from {first:%Y-%m-%d %H:00} to {last:%Y-%m-%d %H:00} UTC were drawn from already"
        raise Conflict(f"{reason}: nothing is drawn twice")
    return None


def _population(session: Session, brand_id: int, since: datetime, until: datetime) -> tuple[Ints, Floats]:
    """Ids (n,) and newest scores (n, 3) of the posts on a brand that have one, by id."""
    within = (Mention.brand_id == brand_id, Mention.posted_at >= since, Mention.posted_at < until)
    columns = (Mention.post_id, Score.negative, Score.neutral, Score.positive)
    query = select(*columns).join(Score, Score.post_id == Mention.post_id).where(*within)
    query = query.order_by(Mention.post_id, Score.scored_at, Score.model)
    rows = session.execute(query.execution_options(yield_per=ROWS_AT_ONCE)).partitions()
    numbers = np.concatenate([np.empty((0, 4)), *(np.array(some, np.float64) for some in rows)])
    ids = numbers[:, 0].astype(np.int64)
    is_newest = np.append(ids[1:] != ids[:-1], True)[: len(ids)]
    return ids[is_newest], numbers[is_newest, 1:]


def _audits(session: Session, made: Draw, post_ids: Sequence[int], found: Sample) -> list[Audit]:
    """In the sample's order: people are asked in that of the ids."""
    posts = {post.id: post for post in session.scalars(select(Post).where(Post.id.in_(post_ids)))}
    scores = newest(session, post_ids)
    return [
        Audit(
            draw_id=made.id,
            brand_id=made.brand_id,
            post_id=post_id,
            stratum=stratum,
            source=posts[post_id].source,
            language=posts[post_id].language,
            posted_at=posts[post_id].posted_at,
            text_key=key(posts[post_id].text),
            model=scores[post_id].model,
            negative=scores[post_id].negative,
            neutral=scores[post_id].neutral,
            positive=scores[post_id].positive,
        )
        for post_id, stratum in zip(post_ids, found.strata.tolist(), strict=True)
        if post_id in posts and post_id in scores  # not deleted or edited in this very moment
    ]


def page(session: Session, brand_id: int, after: tuple[datetime, int] | None, limit: int) -> list[Listed]:
    """Newest first; `after` is (drawn_at, id) of the last draw that the caller has."""
    query = select(Draw).where(Draw.brand_id == brand_id).order_by(Draw.drawn_at.desc(), Draw.id.desc()).limit(limit)
    if after:
        at, number = after
        query = query.where((Draw.drawn_at < at) | ((Draw.drawn_at == at) & (Draw.id < number)))
    found = session.scalars(query).all()
    counts = _progress(session, [one.id for one in found])
    return [Listed(one, *counts.get(one.id, (0, 0, 0))) for one in found]


def _progress(session: Session, draw_ids: Sequence[int]) -> dict[int, tuple[int, int, int]]:
    """Draw -> how many posts, how many have a label, of how many people could not tell."""
    labelled = select(Label.id).where(Label.text_key == Audit.text_key, Label.purpose == Purpose.audit).exists()
    columns: list[Any] = [func.count(distinct(Audit.id)), func.count(distinct(Audit.id)).filter(labelled)]
    columns.append(func.count(distinct(Audit.id)).filter(~labelled, Audit.unclear_at.is_not(None)))
    rows = session.execute(select(Audit.draw_id, *columns).where(Audit.draw_id.in_(draw_ids)).group_by(Audit.draw_id))
    return {draw_id: (drawn, answered, unclear) for draw_id, drawn, answered, unclear in rows}
