"""Posts as people look at them, each with its newest score and the brands that it mentions.

No page looks through more than so many posts, so it takes as long among a million posts as among ten thousand: a page
of a search may end early, and its cursor leads on; what is not in order of time is ordered among the newest posts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session, aliased

from overheard.errors import NotFound
from overheard.scoring.bundle import LABELS
from overheard.store.tables.heard import Brand, Mention, Post, Score

LOOKED_THROUGH: Final = 10_000
"""Posts per page; both kinds of database look through them in well under a tenth of a second."""
_LATELY: Final = 1000
Place = tuple[datetime | float, int]
"""Where a post stands in an order: its time, or its reach, uncertainty or negativity; and its id."""


class Order(StrEnum):
    """The most first. uncertainty: 1 - the sum of p squared, which is greatest where all classes tie."""

    newest = "newest"
    reach = "reach"
    uncertainty = "uncertainty"
    negativity = "negativity"


@dataclass(frozen=True)
class Listed:
    """score: None while it waits. brands: their names by id."""

    post: Post
    score: Score | None
    brands: dict[int, str]


@dataclass(frozen=True)
class Wanted:
    """Which posts; None and empty: all. called: by the most probable class. words: all of them are in the text."""

    brand_id: int | None = None
    source: str | None = None
    called: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    language: str | None = None
    words: str = ""


@dataclass(frozen=True)
class Page:
    """next: after which place the next page begins; None on the last. back_to: posts before then were not looked at."""

    posts: list[Listed]
    next: Place | None
    back_to: datetime | None


def get(session: Session, post_id: int) -> Listed:
    """Raises NotFound."""
    found = _listed(session, [post_id])
    if not found:
        raise NotFound("post", str(post_id))
    return found[0]


def of_ids(session: Session, ids: Sequence[int]) -> list[Listed]:
    """In the order of the ids; without those that are gone."""
    return _listed(session, ids)


def page(
    session: Session, wanted: Wanted, after: Place | None, limit: int, order: Order = Order.newest, most: int = 0
) -> Page:
    """At most `limit` posts. Where scores decide, posts that wait for one are left out.

    after: the `next` of the page before. most: posts to look through, LOOKED_THROUGH by default.
    """
    chosen = _Chosen(wanted)
    if order == Order.newest:
        return _newest(session, chosen, after, limit, most or LOOKED_THROUGH)
    return _ranked(session, chosen, after, limit, order, most or LOOKED_THROUGH)


def _newest(session: Session, chosen: "_Chosen", after: Place | None, limit: int, most: int) -> Page:
    within = [*chosen.within, *_below(chosen.at, chosen.number, after)]
    floor = _floor(session, chosen, within, most)
    query = chosen.query(within, floor, needs_score=False).add_columns(chosen.at)
    places = [(at, number) for number, at in session.execute(query.order_by(*chosen.newest_first).limit(limit + 1))]
    posts = _listed(session, [number for _, number in places[:limit]])
    if len(places) > limit:
        return Page(posts, places[limit - 1], None)
    return Page(posts, floor, floor and floor[0])


def _ranked(session: Session, chosen: "_Chosen", after: Place | None, limit: int, order: Order, most: int) -> Page:
    floor = _floor(session, chosen, chosen.within, most)
    value = _value(order)
    query = chosen.query(chosen.within, floor, needs_score=order != Order.reach, needs_post=order == Order.reach)
    query = query.add_columns(value).where(*_below(value, chosen.number, after))
    rows = session.execute(query.order_by(value.desc(), chosen.number.desc()).limit(limit + 1))
    places: list[Place] = [(worth, number) for number, worth in rows]
    posts = _listed(session, [number for _, number in places[:limit]])
    return Page(posts, places[limit - 1] if len(places) > limit else None, floor and floor[0])


def _floor(
    session: Session, chosen: "_Chosen", within: Sequence[ColumnElement[bool]], most: int
) -> tuple[datetime, int] | None:
    """The last place that is looked at, read from the index alone; None where no more are left."""
    query = select(chosen.at, chosen.number).where(*within).order_by(*chosen.newest_first)
    rows = session.execute(query.offset(most - 1).limit(2)).all()
    return (rows[0][0], rows[0][1]) if len(rows) == 2 else None


def _value(order: Order) -> Any:
    if order == Order.reach:
        return Post.reach
    if order == Order.negativity:
        return Score.negative
    return 1 - (
        Score.negative * Score.negative + Score.neutral * Score.neutral + Score.positive * Score.positive
    )  # no function: every database has products


def _below(value: Any, number: Any, place: Place | None) -> Iterator[ColumnElement[bool]]:
    """Further on in an order. The first condition is the one that an index can answer."""
    if place:
        yield value <= place[0]
        yield or_(value < place[0], number < place[1])


class _Chosen:
    """The columns and conditions by which posts are found: a brand's in the index of its mentions, else in theirs."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._of_brand = wanted.brand_id is not None
        self.at: Any = Mention.posted_at if self._of_brand else Post.posted_at
        self.number: Any = Mention.post_id if self._of_brand else Post.id
        self.newest_first = (self.at.desc(), self.number.desc())
        self.within = list(self._within())

    def _within(self) -> Iterator[ColumnElement[bool]]:
        """What the index knows."""
        if self._of_brand:
            yield Mention.brand_id == self._wanted.brand_id
        if self._wanted.since:
            yield self.at >= self._wanted.since
        if self._wanted.until:
            yield self.at < self._wanted.until

    def query(
        self,
        within: Sequence[ColumnElement[bool]],
        floor: tuple[datetime, int] | None,
        *,
        needs_score: bool,
        needs_post: bool = False,
    ) -> Select[Any]:
        """The ids of posts from `floor` on."""
        wanted = self._wanted
        query = select(self.number).where(*within)
        if floor:
            query = query.where(self.at >= floor[0], or_(self.at > floor[0], self.number >= floor[1]))
        if self._of_brand and (needs_post or wanted.language or wanted.words):
            query = query.join(Post, Post.id == Mention.post_id)
        if wanted.called or needs_score:
            query = query.join(Score, and_(Score.post_id == self.number, Score.model == _newest_model(self.number)))
        if wanted.source:
            query = query.where((Mention.source if self._of_brand else Post.source) == wanted.source)
        if wanted.language:
            query = query.where(Post.language == wanted.language)
        if wanted.called:
            most = getattr(Score, wanted.called)
            query = query.where(*(most > getattr(Score, other) for other in LABELS if other != wanted.called))
        return query.where(*(_contains(word) for word in wanted.words.split()))


def _contains(word: str) -> ColumnElement[bool]:
    """SQLite knows capitals of ASCII alone, so other words are looked for as they are mostly written."""
    forms = {word.lower(), word.capitalize(), word.upper()} if not word.isascii() else {word}
    return or_(*(Post.text.icontains(form, autoescape=True) for form in sorted(forms)))


def _newest_model(post_id: Any) -> Any:
    """Whose score of this post is the newest."""
    other = aliased(Score)
    newest = select(other.model).where(other.post_id == post_id)
    newest = newest.order_by(other.scored_at.desc(), other.model.desc()).limit(1)
    return newest.correlate_except(other).scalar_subquery()


def _listed(session: Session, ids: Sequence[int]) -> list[Listed]:
    """In the order of the ids; without those that are gone."""
    query = select(Post, Score).outerjoin(Score, and_(Score.post_id == Post.id, Score.model == _newest_model(Post.id)))
    rows = {post.id: (post, score) for post, score in session.execute(query.where(Post.id.in_(ids)))}
    named = select(Mention.post_id, Brand.id, Brand.name).join(Brand, Brand.id == Mention.brand_id)
    brands: dict[int, dict[int, str]] = defaultdict(dict)
    for post_id, brand_id, name in session.execute(named.where(Mention.post_id.in_(ids)).order_by(Brand.name_key)):
        brands[post_id][brand_id] = name
    return [Listed(*rows[post_id], brands[post_id]) for post_id in ids if post_id in rows]


def languages(session: Session, brand_id: int) -> list[str]:
    """Of a brand's newest posts, the most frequent first."""
    newest = (
        select(Mention.post_id).where(Mention.brand_id == brand_id).order_by(Mention.posted_at.desc()).limit(_LATELY)
    )
    spoken = select(Post.language).where(Post.id.in_(newest.subquery().select()), Post.language != "")
    return [language for language, _ in Counter(session.scalars(spoken)).most_common()]
