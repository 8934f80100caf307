"""What people are asked to label, and what they answer: posts that teach the most, and the ones drawn for audits.

To whoever is asked they are all alike, and so is the way to answer: what the answer is for is decided here. A text that
was drawn for an audit is asked as one alone, in the draw's random order, for it must not be asked because it is hard.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from overheard import queue
from overheard.copies import Seen
from overheard.errors import NotFound
from overheard.scoring.text import key
from overheard.store import audits, labels, scores
from overheard.store.dialect import inserting, sliced
from overheard.store.labels import NewLabel, Purpose
from overheard.store.tables.audits import Audit
from overheard.store.tables.heard import Brand, Mention, Post, Score
from overheard.store.tables.learning import Label, Unclear

CANDIDATES: Final = 3000
"""The newest posts that are looked at."""


@dataclass(frozen=True)
class Item:
    """A post to judge, and the brands that it mentions: the label is kept under the first."""

    post: Post
    brands: tuple[str, ...]


def ask(session: Session, brand_id: int | None, by: str, count: int, random: np.random.Generator) -> list[Item]:
    """The next `count` posts for this person. brand_id: None for all brands.

    Of texts that nobody has labelled those that are worth the most, without near copies of each other or of what is
    labelled; a few that one other person has; and open audits. In random order.
    """
    fresh, twice = _candidates(session, brand_id, by, count)
    drawn = [question.post for question in audits.ask(session, brand_id, count).next]
    chosen = queue.mix(fresh, twice, drawn, count, random)
    named = _brands(session, [post.id for post in chosen])
    return [Item(post, named.get(post.id, ())) for post in chosen]


def answer(session: Session, post_id: int, label: int | None, by: str, now: datetime) -> Score | None:
    """Keep what a person says of a post; None: they can't tell. Returns what the model said of it, if it did.

    Raises NotFound. Saying it again changes nothing; a newer word replaces the older.
    """
    post, audit = _find(session, post_id)
    if audit:
        audits.answer(session, audit.id, label, by, now)
    else:
        _take_back(session, key(post.text), by)
        if label is None:
            unclear = {"text_key": key(post.text), "labelled_by": by, "at": now}
            session.execute(inserting(session, Unclear).on_conflict_do_nothing(), [unclear])
        else:
            brand = _brands(session, [post.id]).get(post.id, ("",))[0]
            labels.save(session, [NewLabel(post.text, label, Purpose.train, post.source, brand)], by, now)
    return scores.newest(session, [post.id]).get(post.id)


def take_back(session: Session, post_id: int, by: str) -> None:
    """Forget what this person said of this post: it is asked again. Raises NotFound."""
    post, audit = _find(session, post_id)
    if audit:
        audits.take_back(session, audit.id, by)
    else:
        _take_back(session, key(post.text), by)


def _find(session: Session, post_id: int) -> tuple[Post, Audit | None]:
    """The post, and the audit that its text was drawn for, if it was."""
    post = session.get(Post, post_id)
    if post is None:
        raise NotFound("post", str(post_id), "it was deleted meanwhile")
    drawn = or_(Audit.post_id == post.id, Audit.text_key == key(post.text))
    query = select(Audit).where(drawn, Audit.post_id.is_not(None)).order_by(Audit.post_id != post.id, Audit.id)
    return post, session.scalar(query.limit(1))


def _take_back(session: Session, text_key: str, by: str) -> None:
    mine = (Label.text_key == text_key, Label.labelled_by == by, Label.purpose == Purpose.train)
    session.execute(delete(Label).where(*mine))
    session.execute(delete(Unclear).where(Unclear.text_key == text_key, Unclear.labelled_by == by))


def _candidates(session: Session, brand_id: int | None, by: str, count: int) -> tuple[list[Post], list[Post]]:
    """Posts whose text nobody has labelled, and such that one other person has, each the most wanted first."""
    seen, fresh, twice = Seen(), list[Post](), list[Post]()
    for ids in sliced(_ranked(session, brand_id)):
        found = {post.id: post for post in session.scalars(select(Post).where(Post.id.in_(ids)))}
        ranked = [(key(found[post_id].text), found[post_id]) for post_id in ids if post_id in found]
        known = _known(session, {text_key for text_key, _ in ranked})
        for text_key, post in ranked:
            if people := known.get(text_key):
                seen.add(post.text)
                if len(people) == 1 and by not in people and _CLOSED not in people:
                    twice.append(post)
        for text_key, post in ranked:
            if text_key not in known and not seen.has_like(post.text):
                seen.add(post.text)
                fresh.append(post)
            if len(fresh) == count:
                return fresh, twice
    return fresh, twice


_CLOSED: Final = ""
"""Stands for nobody: the text is an audit's, or somebody could not tell."""


def _known(session: Session, text_keys: Collection[str]) -> Mapping[str, set[str]]:
    """Text key -> who has labelled it, for texts that anybody has, or that are not to be asked."""
    found: dict[str, set[str]] = defaultdict(set)
    said = select(Label.text_key, Label.labelled_by, Label.purpose).where(Label.text_key.in_(text_keys))
    for text_key, who, purpose in session.execute(said):
        found[text_key] |= {who} if purpose == Purpose.train else {who, _CLOSED}
    for column in (Audit.text_key, Unclear.text_key):
        for text_key in session.scalars(select(column).where(column.in_(text_keys))):
            found[text_key].add(_CLOSED)
    return found


def _ranked(session: Session, brand_id: int | None) -> Sequence[int]:
    """Ids of the newest posts that have a score, the most wanted first."""
    newest = select(Post.id).order_by(Post.posted_at.desc(), Post.id.desc()).limit(CANDIDATES)
    if brand_id is not None:
        mine = select(Mention.post_id).where(Mention.brand_id == brand_id)
        newest = mine.order_by(Mention.posted_at.desc(), Mention.post_id.desc()).limit(CANDIDATES)
    columns = (Score.post_id, Score.negative, Score.neutral, Score.positive, Post.reach)
    query = select(*columns).join(Post, Post.id == Score.post_id).where(Score.post_id.in_(newest.subquery().select()))
    rows = {row[0]: row for row in session.execute(query.order_by(Score.scored_at, Score.model))}
    numbers = np.array([tuple(row) for row in rows.values()]).reshape(-1, len(columns))
    ids = list(rows)
    return [ids[place] for place in queue.order(numbers[:, 1:4], numbers[:, 4].astype(np.int64))]


def _brands(session: Session, post_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """Names by post, those of the oldest brands first."""
    query = select(Mention.post_id, Brand.name).join(Brand, Brand.id == Mention.brand_id)
    found: dict[int, tuple[str, ...]] = {}
    for post_id, name in session.execute(query.where(Mention.post_id.in_(post_ids)).order_by(Brand.id)):
        found[post_id] = (*found.get(post_id, ()), name)
    return found
