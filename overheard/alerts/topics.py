"""Something is suddenly in many posts of a brand."""

from dataclasses import dataclass
from typing import Final

from overheard.alerts.facts import BrandFacts, Open, Verdict
from overheard.alerts.finding import Finding
from overheard.alerts.options import BrandOptions, Sensitivity
from overheard.alerts.windows import DAY
from overheard.words import Grown

TOLD: Final = 5


@dataclass(frozen=True)
class Strictness:
    """z: how sure the growth is; times: what its share was before; share: of the posts of the last day."""

    z: float
    times: float
    share: float


STRICTNESS: Final[dict[Sensitivity, Strictness]] = {
    "low": Strictness(8.0, 10.0, 0.10),
    "medium": Strictness(6.0, 5.0, 0.05),
    "high": Strictness(4.5, 3.0, 0.03),
}


def topic_exploding(facts: BrandFacts, options: BrandOptions, opened: Open) -> Verdict:
    """Words or hashtags are in many more posts of the last day than of the week before."""
    topics, strictness = facts.topics, STRICTNESS[options.sensitivity]
    if topics is None:
        return Verdict(unknown=frozenset({facts.key}))
    unknown = frozenset[str]() if facts.counts.is_complete[-DAY:].all() else frozenset({facts.key})
    if topics.posts < options.min_posts:
        return Verdict(unknown=unknown)
    is_open = facts.key in opened
    exploding = [one for one in topics.grown if _explodes(one, strictness, 0.5 if is_open else 1.0)]
    return Verdict((_finding(facts, topics.posts, exploding),)) if exploding else Verdict(unknown=unknown)


def _explodes(one: Grown, strictness: Strictness, part: float) -> bool:
    """part: of the strictness; an incident that is open goes on with half of it."""
    return (
        one.z >= part * strictness.z
        and one.after >= part * strictness.share
        and one.after >= part * strictness.times * one.before
    )


def _finding(facts: BrandFacts, posts: int, exploding: list[Grown]) -> Finding:
    first = exploding[0]
    return Finding(
        facts.key,
        f"{facts.name}: “{first.text}” is in {first.after:.0%} of posts",
        f"“{first.text}” is in {first.after:.0%} of {posts:,} posts of the last day, and was in {first.before:.1%} of "
        f"those of the week before ({first.z:.0f} standard deviations).",
        facts.counts.start(len(facts.counts) - DAY),
        "Read the examples: is it news, a campaign, or a complaint that spreads?",
        facts.brand_id,
        words=tuple(one.text for one in exploding[:TOLD]),
        links={"posts": f"/posts?brand_id={facts.brand_id}"},
    )
