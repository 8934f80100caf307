"""Why the share of a class moved between two periods: where posts came from, what was said there, which model read it.

The three parts sum to the change, exactly. Nothing here reads a database or a clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

DRAWS: Final = 1_000
CONFIDENCE: Final = 0.95
LEAST_COMPARED: Final = 30
"""Posts that two versions must both have read before their readings are compared."""


@dataclass(frozen=True)
class Cell:
    """Posts of a period from one source, as one model version read them. total: sum of the class's probability."""

    source: str
    model: str
    posts: int
    total: float


@dataclass(frozen=True)
class Comparison:
    """Posts of a source that a version and the newest one both read.

    mean: of what the newest says more of the class (share of 1), variance: of that, from post to post.
    """

    source: str
    model: str
    posts: int
    mean: float
    variance: float


@dataclass(frozen=True)
class Part:
    """How much of a change, as a share of 1, with a 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Share:
    """The mean probability of the class over the scored posts of a period; None without one."""

    posts: int
    value: float | None


@dataclass(frozen=True)
class SourceChange:
    """What a source did to the change. before, after: its share of the class; mix, mood: its part of either."""

    source: str
    before: Share
    after: Share
    mix: float
    mood: float


@dataclass(frozen=True)
class Split:
    """change = mix + mood + model. mix: more posts come from sources where the class is frequent, or fewer.

    mood: within sources people speak otherwise. model: another version reads the same posts otherwise; None where no
    posts were read by both versions, so that it can't be told from the mood, which then holds it.
    """

    change: Part
    mix: Part
    mood: Part
    model: Part | None
    sources: tuple[SourceChange, ...]


@dataclass(frozen=True)
class _Period:
    """(S,) or, drawn anew, (draws, S): posts, the class's share, and what the newest version would say more of it."""

    posts: Floats
    share: Floats
    correction: Floats


def share(cells: Sequence[Cell]) -> Share:
    """Of all cells together."""
    posts = sum(cell.posts for cell in cells)
    return Share(posts, sum(cell.total for cell in cells) / posts if posts else None)


def reading_now(after: Sequence[Cell]) -> str:
    """The version that read most posts of the later period: what the others are compared with. Raises ValueError."""
    counts: dict[str, int] = {}
    for cell in after:
        counts[cell.model] = counts.get(cell.model, 0) + cell.posts
    return max(sorted(counts), key=counts.__getitem__)


def split(before: Sequence[Cell], after: Sequence[Cell], comparisons: Sequence[Comparison], seed: int = 0) -> Split:
    """Split the change of a class's share. Raises ValueError when a period has no scored post.

    comparisons: of the versions that read anything with `reading_now(after)`. Intervals say how far the parts would lie
    apart if as many posts were heard again: posts are drawn from their sources, each of the class or not, and the
    readings that are compared from theirs.

    Method: Kitagawa, Components of a difference between two rates, JASA 50 (1955), in its symmetric form: each factor's
    change is weighted by the mean of the other before and after.
    """
    if not (sum(cell.posts for cell in before) and sum(cell.posts for cell in after)):
        raise ValueError("a period without a scored post has no share")
    now, known = reading_now(after), _Corrections(comparisons)
    sources = sorted({cell.source for cell in (*before, *after) if cell.posts})
    others = {cell.model for cell in (*before, *after) if cell.posts} - {now}
    is_known = all(known.has(model) for model in others)
    if not is_known:
        known, others = _Corrections(()), set()
    generator = np.random.default_rng(seed)
    exact = [_period(cells, sources, known.means(sources, others)) for cells in (before, after)]
    drawn_corrections = known.drawn(sources, others, generator)  # one for both periods: it is the same version
    drawn = [
        _drawn(period, _period(cells, sources, drawn_corrections).correction, generator)
        for period, cells in zip(exact, (before, after), strict=True)
    ]
    mix, mood, model = (part.sum() for part in _parts(*exact))
    mixes, moods, models = (part.sum(axis=1) for part in _parts(*drawn))
    return Split(
        change=_part(mix + mood + model, mixes + moods + models),
        mix=_part(mix, mixes),
        mood=_part(mood, moods),
        model=_part(model, models) if is_known else None,
        sources=_by_source(sources, *exact),
    )


class _Corrections:
    """What the newest version says more than another, by source where enough posts were compared, else over all."""

    def __init__(self, comparisons: Sequence[Comparison]) -> None:
        self._of: dict[tuple[str, str], Comparison] = {}
        for model in {one.model for one in comparisons}:
            mine = [one for one in comparisons if one.model == model and one.posts]
            if sum(one.posts for one in mine) >= LEAST_COMPARED:
                self._of["", model] = _pooled(mine)
                self._of |= {(one.source, model): one for one in mine if one.posts >= LEAST_COMPARED}

    def has(self, model: str) -> bool:
        return ("", model) in self._of

    def means(self, sources: Sequence[str], models: set[str]) -> dict[tuple[str, str], Floats]:
        """(source, model) -> a number."""
        return {(source, model): np.array(self._for(source, model).mean) for source in sources for model in models}

    def drawn(
        self, sources: Sequence[str], models: set[str], generator: np.random.Generator
    ) -> dict[tuple[str, str], Floats]:
        """(source, model) -> (DRAWS,); sources without a comparison of their own share the pooled one's draws."""
        errors = generator.standard_normal((len(self._of), DRAWS))
        draws = {
            place: one.mean + np.sqrt(one.variance / one.posts) * error
            for (place, one), error in zip(sorted(self._of.items()), errors, strict=True)
        }
        return {
            (s, model): draws[(s, model) if (s, model) in draws else ("", model)] for s in sources for model in models
        }

    def _for(self, source: str, model: str) -> Comparison:
        return self._of.get((source, model)) or self._of["", model]


def _pooled(comparisons: Sequence[Comparison]) -> Comparison:
    posts = np.array([one.posts for one in comparisons], np.float64)
    means = np.array([one.mean for one in comparisons])
    weights, mean = posts / posts.sum(), float(means @ posts / posts.sum())
    variance = float(weights @ (np.array([one.variance for one in comparisons]) + (means - mean) ** 2))
    return Comparison("", comparisons[0].model, int(posts.sum()), mean, variance)


def _period(cells: Sequence[Cell], sources: Sequence[str], corrections: Mapping[tuple[str, str], Floats]) -> _Period:
    place = {source: index for index, source in enumerate(sources)}
    posts, totals = np.zeros(len(sources)), np.zeros(len(sources))
    shape = np.shape(next(iter(corrections.values()), 0.0))
    corrected = np.zeros((*shape, len(sources)))
    for cell in cells:
        if cell.posts:
            posts[place[cell.source]] += cell.posts
            totals[place[cell.source]] += cell.total
            corrected[..., place[cell.source]] += cell.posts * corrections.get((cell.source, cell.model), 0.0)
    some = np.maximum(posts, 1)
    return _Period(posts, totals / some, corrected / some)


def _drawn(period: _Period, correction: Floats, generator: np.random.Generator) -> _Period:
    """The period as it might have been: (DRAWS, S) each."""
    total = int(period.posts.sum())
    posts = generator.multinomial(total, period.posts / total, size=DRAWS).astype(np.float64)
    spread = np.sqrt(period.share * (1 - period.share) / np.maximum(period.posts, 1))
    shares = period.share + spread * generator.standard_normal(posts.shape)
    return _Period(posts, shares, np.broadcast_to(correction, posts.shape))


def _parts(before: _Period, after: _Period) -> tuple[Floats, Floats, Floats]:
    """Mix, mood and model of each source. Where a source was silent, its share is taken to have been the same."""
    weights = [period.posts / period.posts.sum(axis=-1, keepdims=True) for period in (before, after)]
    is_new, is_gone = before.posts == 0, after.posts == 0
    shares = np.where(is_new, after.share, before.share), np.where(is_gone, before.share, after.share)
    corrections = (
        np.where(is_new, after.correction, before.correction),
        np.where(is_gone, before.correction, after.correction),
    )
    mean_weight = (weights[0] + weights[1]) / 2
    mix = (weights[1] - weights[0]) * (shares[0] + shares[1]) / 2
    model = mean_weight * (corrections[0] - corrections[1])
    return mix, mean_weight * (shares[1] - shares[0]) - model, model


def _part(value: float, drawn: Floats) -> Part:
    """The interval is as wide as the draws lie apart, around the value itself."""
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]) - drawn.mean() + value
    return Part(float(value), float(low), float(high))


def _by_source(sources: Sequence[str], before: _Period, after: _Period) -> tuple[SourceChange, ...]:
    """The source that did most comes first."""
    mix, mood, _ = _parts(before, after)
    changes = [
        SourceChange(
            source,
            _share_of(before, place),
            _share_of(after, place),
            mix=float(mix[place]),
            mood=float(mood[place]),
        )
        for place, source in enumerate(sources)
    ]
    return tuple(sorted(changes, key=lambda change: (-abs(change.mix + change.mood), change.source)))


def _share_of(period: _Period, place: int) -> Share:
    posts = int(period.posts[place])
    return Share(posts, float(period.share[place]) if posts else None)
