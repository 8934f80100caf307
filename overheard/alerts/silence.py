"""Nothing comes from a source although it never was silent for so long: perhaps nobody speaks, perhaps nobody hears."""

from typing import Final

import numpy as np

from overheard.alerts.facts import BrandFacts, Counts, Open, Verdict
from overheard.alerts.finding import Finding
from overheard.alerts.options import BrandOptions, Sensitivity
from overheard.alerts.volume import expect

LEAST: Final = 3
LONGEST: Final = 72
"""Hours of silence that are looked at."""
EXPECTED: Final[dict[Sensitivity, float]] = {"low": 30.0, "medium": 15.0, "high": 8.0}
"""Posts that would have come, divided by how much more than chance they vary: of so many none is no chance."""
NEVER_SILENT: Final = frozenset({"file"})
"""A file is read to its end, and then nothing comes."""


def source_silent(facts: BrandFacts, options: BrandOptions, opened: Open) -> Verdict:
    """No post of a brand came from a source that it listens to, for much longer than is usual at this time."""
    silent = {source: _silence(counts) for source, counts in facts.sources.items() if source not in NEVER_SILENT}
    least = EXPECTED[options.sensitivity]
    found = [_finding(facts, source, *said) for source, said in silent.items() if said and _is_sure(said, least)]
    return Verdict(tuple(found))


def _is_sure(said: tuple[int, float, float], least: float) -> bool:
    _, expected, spread = said
    return expected / spread >= least


def _silence(counts: Counts) -> tuple[int, float, float] | None:
    """(hours without a post, posts that are usual in them, how much more than chance they vary)."""
    spoken, over = np.flatnonzero(counts.posts), len(counts) - 1  # the hour under way is not over
    hours = min(over - 1 - int(spoken[-1]), LONGEST) if len(spoken) else 0
    if hours < LEAST:
        return None
    usual, spread, is_known = expect(counts, np.array([over - 1]), hours)
    return (hours, float(usual[0]), float(spread[0])) if is_known[0] else None


def _finding(facts: BrandFacts, source: str, hours: int, expected: float, _: float) -> Finding:
    return Finding(
        f"{facts.key}:{source}",
        f"{facts.name}: nothing from {source} for {hours} hours",
        f"No post came from {source} in {hours} hours, in which about {expected:,.0f} are usual. "
        "What is said there meanwhile is unknown: silence is not calm.",
        facts.counts.start(len(facts.counts) - 1 - hours),
        "Does its query still match, does whoever pushes still push? See `overheard feeds list`.",
        facts.brand_id,
        links={"feeds": f"/feeds?brand_id={facts.brand_id}"},
    )
