"""More of what is said of a brand is negative than before, for certain."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from overheard.alerts.facts import BrandFacts, Counts, Flags, Integers, Open, Verdict
from overheard.alerts.finding import Finding
from overheard.alerts.options import BrandOptions, Sensitivity
from overheard.alerts.windows import BASELINE, DAY, WINDOWS, Floats, Sums, blocks, excess
from overheard.estimates import Estimate, change

LEAST_BEFORE: Final = 200
"""Posts to compare with."""
LEAST_SCORED: Final = 0.8
"""Of the posts: with fewer that have a score, or that one model read, they are not what they seem."""
LONGEST: Final = 7 * 24
"""Hours: an incident is compared with what was before it; after so long, that is how things are now."""
Z_BEFORE: Final = 1.96


@dataclass(frozen=True)
class Strictness:
    """z: of the interval around the share now, whose lower bound counts. rise: by how much that is above the upper
    bound of the share before."""

    z: float
    rise: float


STRICTNESS: Final[dict[Sensitivity, Strictness]] = {
    "low": Strictness(4.3, 0.10),
    "medium": Strictness(3.2, 0.04),
    "high": Strictness(3.0, 0.02),
}
Z_STAYS: Final = 1.0
"""As long as an incident is open: it ends when the share is back, not when it is no longer sure that it is not."""
ENOUGH: Final = 2
"""Times the minimum of posts, to say that it is back: few posts look so by chance."""


@dataclass(frozen=True)
class Looks:
    """What L looks found. window: hours of the one that counts. Shares with the bound that does: now's lower, before's
    upper. stays: it is high enough for an open incident to go on. model: that reads now; is_other_model: most of what
    was before was read by others."""

    is_up: Flags
    stays: Flags
    is_unknown: Flags
    window: Integers
    posts: Integers
    share: Floats
    low: Floats
    before: Floats
    before_high: Floats
    is_other_model: Flags
    model: NDArray[np.str_]


def wilson(negative: Floats, posts: Floats, z: float) -> tuple[Floats, Floats]:
    """Score interval of a share. Method: Wilson, J. Am. Stat. Assoc. 22 (1927). Without posts: 0 to 1."""
    posts = np.maximum(posts, 1e-9)
    share = negative / posts
    centre = (share + z**2 / (2 * posts)) / (1 + z**2 / posts)
    half = z / (1 + z**2 / posts) * np.sqrt(share * (1 - share) / posts + z**2 / (4 * posts**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def look(counts: Counts, at: Integers, options: BrandOptions) -> Looks:
    """Looks at the ends of the hours `at` (L,): in the shortest window in which the share is up, if it is up at all.

    It is not, where that was hours ago: what would end at once does not begin.
    """
    looks = [_compare(counts, at, hours, at + 1, options) for hours in WINDOWS]
    is_now = looks[0].is_up | _stays(looks[1:], options)
    return _first(looks, is_now)


def look_again(counts: Counts, at: int, opened: int, options: BrandOptions) -> Looks:
    """Whether what began in the hour `opened` goes on at the end of the hour `at`: one look.

    Compared with what was before it began, for as long as LONGEST.
    """
    began = max(opened, at - LONGEST)
    first = max(0, began - WINDOWS[-1] - BASELINE)
    near, place, before = counts.cut(first, at + 1), np.array([at - first]), np.array([began + 1 - first])
    looks = [_compare(near, place, hours, before, options) for hours in WINDOWS]
    goes_on = looks[0].is_up | _stays(looks[1:], options)
    found = _first(looks, goes_on)
    return found if found.is_up[0] else replace(looks[1], is_up=goes_on, is_unknown=~goes_on & found.is_unknown)


def _stays(looks: Sequence[Looks], options: BrandOptions) -> Flags:
    """In the shortest of these windows that has enough posts."""
    stays = looks[-1].stays
    for one in reversed(looks[:-1]):
        stays = np.where(one.posts >= ENOUGH * options.min_posts, one.stays, stays)
    return stays


def _first(looks: Sequence[Looks], is_now: Flags) -> Looks:
    """The first in which it is up; unknown where it is not up, and any of them does not know."""
    found = looks[-1]
    for one in reversed(looks[:-1]):
        chosen = {f.name: np.where(one.is_up, getattr(one, f.name), getattr(found, f.name)) for f in fields(Looks)}
        found = Looks(**{**chosen, "is_unknown": one.is_unknown | found.is_unknown})
    is_up = found.is_up & is_now
    return replace(found, is_up=is_up, is_unknown=~is_up & found.is_unknown)


def negative_share(facts: BrandFacts, options: BrandOptions, opened: Open) -> Verdict:
    """The lower bound of the negative share is above the upper bound of what it was in the four weeks before.

    Once that is so, the estimates have a word, too: corrected for what the model errs, the share must have risen.
    """
    counts, since = facts.counts, opened.get(facts.key)
    last = len(counts) - 1
    if since is None:
        seen = look(counts, np.array([last]), options)
    else:
        seen = look_again(counts, last, counts.place(since), options)
    if seen.is_up[0] and (since is not None or is_confirmed(facts, seen, 0, last)):
        return Verdict((finding(facts, seen, 0, last),))
    return Verdict(unknown=frozenset([facts.key] if seen.is_unknown[0] else []))


def is_confirmed(facts: BrandFacts, seen: Looks, place: int, hour: int) -> bool:
    """Whether the estimates, by their 95 % interval, agree that the share rose; True where they have none."""
    now, before = _estimates(facts, seen, place, hour)
    low = change(before, now)[0].low
    return low is None or low > 0


def _estimates(facts: BrandFacts, seen: Looks, place: int, hour: int) -> tuple[Estimate, Estimate]:
    """(now, before), as one model read them."""
    start, hours = facts.counts.start, int(seen.window[place])
    model = None if seen.is_other_model[place] else seen.model[place]
    now = facts.estimated(start(hour + 1 - hours), start(hour + 1), model)
    before = facts.estimated(start(hour + 1 - hours - BASELINE), start(hour + 1 - hours), model)
    return now, before


def finding(facts: BrandFacts, seen: Looks, place: int, hour: int) -> Finding:
    """What is told of look number `place`, which was at the end of that hour."""
    share, before, hours = seen.share[place], seen.before[place], int(seen.window[place])
    said = (
        f"The model reads {share:.0%} of {seen.posts[place]:,} posts of {_last(hours)} as negative, at least "
        f"{seen.low[place]:.0%} beyond chance; in the four weeks before it was {before:.0%}, at most "
        f"{seen.before_high[place]:.0%}."
    )
    now, _ = _estimates(facts, seen, place, hour)
    if (negative := now.shares[0]).point is not None:
        said += f" Corrected for what it errs: {negative.point:.0%} ({negative.low:.0%} to {negative.high:.0%})."
    if seen.is_other_model[place]:
        said += " Another version read most posts before that, so twice the rise was asked for."
    if facts.unheard:
        said += f" Not everything was heard: {', '.join(facts.unheard)}."
    return Finding(
        key=facts.key,
        title=f"{facts.name}: {share:.0%} of posts are negative, {before:.0%} before",
        said=said,
        since=facts.counts.start(hour + 1 - hours),
        advice="Read the examples: is it one event, one thread, or one product? Answer where it is said.",
        brand_id=facts.brand_id,
        links={"sentiment": f"/brands/{facts.brand_id}/sentiment?step=hour"},
    )


def _last(hours: int) -> str:
    return "the last hour" if hours == 1 else f"the last {hours} hours"


class _Read:
    """Posts read, and called negative, by each model; the row after the last model is of all together."""

    def __init__(self, counts: Counts) -> None:
        self.models = len(counts.models)
        self._scored, self._negative = (
            np.pad(np.cumsum(np.vstack([rows, rows.sum(axis=0)]), axis=1), ((0, 0), (1, 0)))
            for rows in (counts.scored, counts.negative)
        )

    def between(self, row: Integers, since: Integers, until: Integers) -> tuple[Integers, Integers]:
        """Scored and negative posts of the hours since <= hour < until, of whatever shape they all have."""
        last = self._scored.shape[1] - 1
        since, until = np.clip(since, 0, last), np.clip(until, 0, last)
        scored, negative = (sums[row, until] - sums[row, since] for sums in (self._scored, self._negative))
        return scored, negative

    def mostly_by(self, at: Integers, hours: int) -> tuple[Integers, Flags]:
        """(L,) the model that read most of the last hours, and whether others read a good part of them, too."""
        rows = np.arange(self.models)[:, None]
        scored, _ = self.between(rows, (at + 1 - hours)[None, :], (at + 1)[None, :])
        return scored.argmax(axis=0), scored.max(axis=0) < LEAST_SCORED * scored.sum(axis=0)


def _compare(counts: Counts, at: Integers, hours: int, before: Integers, options: BrandOptions) -> Looks:
    """The last `hours` with the BASELINE that ends `hours` before the hour `before` (L,)."""
    read, end, strictness = _Read(counts), before - hours, STRICTNESS[options.sensitivity]
    row, is_mixed = read.mostly_by(at, hours)
    model = np.array(counts.models)[row]
    is_other = is_mixed | (read.between(row, end - BASELINE, end)[0] < LEAST_BEFORE)
    row = np.where(is_other, read.models, row)
    posts, negative = read.between(row, at + 1 - hours, at + 1)
    old_posts, old_negative = read.between(row, end - BASELINE, end)
    before_share = old_negative / np.maximum(old_posts, 1)
    alike, block = _alike(read, row, end, hours, before_share)
    thinned, old_thinned = 1 + np.maximum(posts - 1, 0) * alike, 1 + np.maximum(block - 1, 0) * alike
    low, _ = wilson(negative / thinned, posts / thinned, strictness.z)
    likely_low, _ = wilson(negative / thinned, posts / thinned, Z_STAYS)
    _, before_high = wilson(old_negative / old_thinned, old_posts / old_thinned, Z_BEFORE)
    rise = strictness.rise * np.where(is_other, 2, 1)
    heard = Sums(counts.posts).between(at + 1 - hours, at + 1)
    missing = Sums((~counts.is_complete).astype(np.int64)).between(at + 1 - DAY, at + 1)
    is_enough = (posts >= options.min_posts) & (old_posts >= LEAST_BEFORE)
    return Looks(
        is_up=is_enough & (low > before_high + rise),
        stays=is_enough & (likely_low > before_high + rise / 2),
        is_unknown=(missing > 0) | (old_posts < LEAST_BEFORE) | (posts < LEAST_SCORED * heard),
        window=np.full(len(at), hours),
        posts=posts,
        share=negative / np.maximum(posts, 1),
        low=low,
        before=before_share,
        before_high=before_high,
        is_other_model=is_other,
        model=model,
    )


def _alike(read: _Read, row: Integers, end: Integers, hours: int, share: Floats) -> tuple[Floats, Floats]:
    """(L,) how much posts of one window resemble each other (intra-class correlation), and a window's mean posts.

    A thread brings posts that are alike: a window's share varies more than that of as many posts drawn at random.
    """
    starts = blocks(end, hours)
    posts, negative = read.between(row[:, None], starts, starts + hours)
    chance = share[:, None]
    spread = excess(negative, posts * chance, posts * chance * (1 - chance), posts >= 5)
    size = posts.sum(axis=1) / np.maximum((posts > 0).sum(axis=1), 1)
    return np.clip((spread - 1) / np.maximum(size - 1, 1), 0, 1), size
