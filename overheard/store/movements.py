"""Why a brand's share of a class moved: the counts of its hours, the posts that two versions read, and some texts."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from overheard import movement, words
from overheard.aggregates import Floats
from overheard.movement import Cell, Comparison, Share, Split
from overheard.scoring.bundle import LABELS
from overheard.store import hours, quarters, sampled, series
from overheard.store.sampled import Sampled
from overheard.store.series import Filters
from overheard.store.tables.heard import Mention, Score
from overheard.words import Grown, Said

TEXTS: Final = 2_000
"""Posts of a period whose texts are read."""
COMPARED: Final = 4_000
"""Posts that are looked at for scores of two versions."""
EXAMPLES: Final = 5
Terms: TypeAlias = Callable[[str], frozenset[str]]


@dataclass(frozen=True)
class Period:
    """Whole hours: from that in which `since` lies to that in which `until` lies, which is no longer in it."""

    since: datetime
    until: datetime


@dataclass(frozen=True)
class Movement:
    """Why the share of `label` moved from `before` to `after`. split: None when a period has no scored post.

    versions: that read posts of either period, the one that read most of the later first; compared: posts that more
    than one of them read. words, topics: what grew in the posts of the class; read: the posts of the class, before and
    after, in which they were looked for. examples: ids of such posts.
    """

    label: str
    before: Share
    after: Share
    split: Split | None
    versions: tuple[str, ...]
    compared: int
    words: tuple[Grown, ...]
    topics: tuple[Grown, ...]
    read: tuple[int, int]
    examples: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def why(
    session: Session,
    brand_id: int,
    before: Period,
    after: Period,
    label: str = "negative",
    of: Filters = (None, None),
) -> Movement:
    """Counts are of all posts, by their hours; of texts at most TEXTS a period are read. label: one of LABELS.

    of: the source and the language of the posts that are meant, None for all.
    """
    cells_before, cells_after = (_cells(session, brand_id, period, label, of) for period in (before, after))
    share_before, share_after = movement.share(cells_before), movement.share(cells_after)
    versions = _versions(cells_before, cells_after)
    span = Period(min(before.since, after.since), max(before.until, after.until))
    compared = [one for old in versions[1:] for one in _comparisons(session, brand_id, span, old, versions[0], label)]
    can_split = share_before.posts and share_after.posts
    told = [words.without_repeats(_of(label, _texts(session, brand_id, period, of))) for period in (before, after)]
    grown, topics = (_grown(told, terms) for terms in (words.words, words.topics))
    return Movement(
        label=label,
        before=share_before,
        after=share_after,
        split=movement.split(cells_before, cells_after, compared) if can_split else None,
        versions=versions,
        compared=sum(one.posts for one in compared),
        words=tuple(grown),
        topics=tuple(topics),
        read=(len(told[0]), len(told[1])),
        examples=tuple(words.examples(told[1], [*grown, *topics], EXAMPLES)),
    )


def _cells(session: Session, brand_id: int, period: Period, label: str, of: Filters) -> list[Cell]:
    found = defaultdict[tuple[str, str], Floats](lambda: np.zeros(2))
    for table, within in quarters.covering(period.since, period.until):
        scored = (*series.mine(table, brand_id, of), table.model != "", *within)
        sums = (func.sum(table.posts), func.sum(getattr(table, f"sum_{label}")))
        query = select(table.source, table.model, *sums).where(*scored).group_by(table.source, table.model)
        for source, model, *counted in session.execute(query):
            found[source, model] += counted
    return [Cell(*place, int(posts), float(total)) for place, (posts, total) in sorted(found.items())]


def _versions(before: Sequence[Cell], after: Sequence[Cell]) -> tuple[str, ...]:
    """The one that read most of the later period, then the others."""
    known = {cell.model for cell in (*before, *after)}
    now = movement.reading_now(after or before) if known else ""
    return (now, *sorted(known - {now})) if known else ()


def _comparisons(session: Session, brand_id: int, span: Period, old: str, new: str, label: str) -> list[Comparison]:
    """What both say of the posts that both read: those from when either of them first read any of the span.

    A promotion has posts read anew that were heard shortly before: the new version's first ones.
    """
    found: dict[int, tuple[str, float]] = {}
    first_read = quarters.first_read(session, brand_id, span.since, span.until)
    for since in (at for version, at in first_read.items() if version in (old, new)):
        found |= _read_by_both(session, brand_id, Period(since, span.until), old, new, label)
    by_source = defaultdict[str, list[float]](list)
    for source, more in found.values():
        by_source[source].append(more)
    return [
        Comparison(source, old, len(more), float(np.mean(more)), float(np.var(more)))
        for source, more in sorted(by_source.items())
    ]


def _read_by_both(
    session: Session, brand_id: int, span: Period, old: str, new: str, label: str
) -> dict[int, tuple[str, float]]:
    """Post -> its source, and what the new version says more. Of the first COMPARED posts of the span."""
    mine = (Mention.brand_id == brand_id, Mention.posted_at >= span.since, Mention.posted_at < span.until)
    some = select(Mention.post_id, Mention.source).where(*mine).order_by(Mention.posted_at).limit(COMPARED).subquery()
    first, second = aliased(Score), aliased(Score)
    more = getattr(second, label) - getattr(first, label)
    query = select(some.c.post_id, some.c.source, more)
    query = query.join(first, (first.post_id == some.c.post_id) & (first.model == old))
    query = query.join(second, (second.post_id == some.c.post_id) & (second.model == new))
    return {post_id: (source, float(said)) for post_id, source, said in session.execute(query)}


def _texts(session: Session, brand_id: int, period: Period, of: Filters) -> list[Sampled]:
    source, language = of
    found = sampled.posts(session, brand_id, hours.start(period.since), hours.start(period.until), TEXTS)
    return [one for one in found if source in (None, one.source) and language in (None, one.language)]


def _of(label: str, posts: Iterable[Sampled]) -> list[Said]:
    """Those whose most probable class this is."""
    place = LABELS.index(label)
    return [
        Said(post.id, post.text, post.author, post.reach, post.scores[place])
        for post in posts
        if post.model and int(np.argmax(post.scores)) == place
    ]


def _grown(told: Sequence[Sequence[Said]], terms: Terms) -> list[Grown]:
    before, after = ([terms(one.text) for one in said] for said in told)
    return words.grown(before, after)
