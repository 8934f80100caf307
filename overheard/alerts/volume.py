"""Much more is said of a brand than at other times like this."""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from overheard.alerts.facts import BrandFacts, Counts, Flags, Integers, Open, Verdict
from overheard.alerts.finding import Finding
from overheard.alerts.options import BrandOptions, Sensitivity
from overheard.alerts.windows import CHI2_MEDIAN, DAY, Floats, Sums, median

WINDOWS: Final = (1, 6, 24)
DAYS: Final = 28
LEAST_DAYS: Final = 5
"""Days with the same hours, to compare with where there are no weeks yet."""
LEAST_WEEKS: Final = 3
"""Weeks with the same hours: then each hour of the week has a level of its own."""
UNSURE: Final = 0.3
"""Variance of the median of four, in that of one."""


@dataclass(frozen=True)
class Strictness:
    """z: standard deviations above what is expected. times: what is expected."""

    z: float
    times: float


STRICTNESS: Final[dict[Sensitivity, Strictness]] = {
    "low": Strictness(7.0, 3.0),
    "medium": Strictness(5.0, 1.75),
    "high": Strictness(4.0, 1.4),
}


@dataclass(frozen=True)
class Looks:
    """What L looks found. window: hours of the one that counts; expected: posts in it; z: how far above that."""

    is_up: Flags
    is_unknown: Flags
    window: Integers
    posts: Integers
    expected: Floats
    z: Floats

    def else_(self, other: "Looks") -> "Looks":
        """These where they found something, else the others; unknown where either is."""
        mine = self.is_up
        chosen = {f.name: np.where(mine, getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        return Looks(**{**chosen, "is_unknown": ~chosen["is_up"] & (self.is_unknown | other.is_unknown)})


def look(counts: Counts, at: Integers, options: BrandOptions, opened: int | None = None) -> Looks:
    """Looks at the ends of the hours `at` (L,): in the shortest window in which there are too many, if there are.

    opened: the hour in which an incident began that is open still: half as much is enough for it to go on.
    """
    strictness = STRICTNESS[options.sensitivity]
    if opened is not None:
        strictness = Strictness(strictness.z / 2, (1 + strictness.times) / 2)
    windows = WINDOWS if opened is None else WINDOWS[:2]  # so that it ends soon
    found = _compare(counts, at, windows[0], options.min_posts, strictness, opened)
    for hours in windows[1:]:
        found = found.else_(_compare(counts, at, hours, options.min_posts, strictness, opened))
    return found


def volume_spike(facts: BrandFacts, options: BrandOptions, opened: Open) -> Verdict:
    """More posts than in the same hours of the four weeks before, beyond chance and habit."""
    counts, since = facts.counts, opened.get(facts.key)
    last = len(counts) - 1
    seen = look(counts, np.array([last]), options, None if since is None else counts.place(since))
    if seen.is_up[0]:
        return Verdict((finding(facts, seen, 0, last),))
    return Verdict(unknown=frozenset([facts.key] if seen.is_unknown[0] else []))


def finding(facts: BrandFacts, seen: Looks, place: int, hour: int) -> Finding:
    """What is told of look number `place`, which was at the end of that hour."""
    posts, expected, hours = seen.posts[place], seen.expected[place], int(seen.window[place])
    span = "the last hour" if hours == 1 else f"the last {hours} hours"
    times = f"{posts / expected:.1f} times as many as usual" if expected >= 1 else "where there is usually nothing"
    return Finding(
        key=facts.key,
        title=f"{facts.name}: {posts:,} posts in {span}, {times}",
        said=f"{posts:,} posts in {span}; {expected:,.0f} are usual at this time, and this is {seen.z[place]:.0f} "
        "standard deviations above that."
        + (f" Not everything was heard: {', '.join(facts.unheard)}." if facts.unheard else ""),
        since=facts.counts.start(hour + 1 - hours),
        advice="Read what is being said: news, a campaign, or a complaint that spreads?",
        brand_id=facts.brand_id,
        links={"sentiment": f"/brands/{facts.brand_id}/sentiment?step=hour"},
    )


def expect(counts: Counts, at: Integers, hours: int, opened: int | None = None) -> tuple[Floats, Floats, Flags]:
    """Posts that are usual in the last `hours`, and by how much they vary more than chance (>= 1); where that is known.

    The median of the same hours of the four weeks before; with less behind it, of the same hours of the days before.
    The variation is that from each of these days to the day as long before it, by the median: one past crisis says
    nothing. Stretches with a gap, or before anything was heard, are left out.
    """
    posts, is_missing = Sums(counts.posts), Sums((~counts.is_complete).astype(np.int64))
    began = int(np.flatnonzero(counts.posts)[0]) if counts.posts.any() else len(counts)
    skipped = 0 if opened is None else max(0, -(-(int(at[0]) - opened) // DAY))  # days since it began

    def before(days: Integers) -> Floats:
        """(L, D) posts in the same hours so many days ago; NaN where that is not known."""
        end = at[:, None] + 1 - DAY * days[None, :]
        is_known = (end - hours >= began) & (is_missing.between(end - hours, end) == 0)
        return np.where(is_known, posts.between(end - hours, end), np.nan)

    days = np.arange(1, DAYS + 1) + skipped
    weekly, daily = before(7 * (skipped // 7 + np.arange(1, 5))), before(days)
    is_weekly = np.isfinite(weekly).sum(axis=1) >= LEAST_WEEKS
    middle = np.where(is_weekly, median(weekly), median(daily))
    spread = np.where(is_weekly, _spread(daily, 7), _spread(daily, 1))
    return middle, spread, is_weekly | (np.isfinite(daily).sum(axis=1) >= LEAST_DAYS)


def _spread(daily: Floats, lag: int) -> Floats:
    """(L, D) posts of day after day -> (L,) how much more than chance they differ from those `lag` days before."""
    ahead, behind = daily[:, :-lag], daily[:, lag:]
    return np.maximum(median((ahead - behind) ** 2 / np.maximum(ahead + behind, 1)) / CHI2_MEDIAN, 1.0)


def _compare(counts: Counts, at: Integers, hours: int, least: int, strictness: Strictness, opened: int | None) -> Looks:
    expected, spread, is_known = expect(counts, at, hours, opened)
    posts = Sums(counts.posts).between(at + 1 - hours, at + 1)
    # Anscombe's root makes the variance of counts 1/4 (Biometrika 35, 1948)
    z = 2 * (np.sqrt(posts + 0.375) - np.sqrt(expected + 0.375)) / np.sqrt(spread * (1 + UNSURE))
    is_up = is_known & (posts >= least) & (z >= strictness.z) & (posts >= strictness.times * expected)
    missing = Sums((~counts.is_complete).astype(np.int64)).between(at + 1 - DAY, at + 1)
    return Looks(is_up, ~is_up & ((missing > 0) | ~is_known), np.full(len(at), hours), posts, expected, z)
