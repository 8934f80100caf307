"""The demo brands, scored through the API and the queue like anybody's posts."""

from collections.abc import Sequence
from itertools import groupby
from textwrap import shorten

import httpx2
from rich.console import Group
from rich.table import Table
from rich.text import Text

from overheard.demo import DemoPost
from overheard.errors import StackError
from overheard.scoring.bundle import LABELS

WAIT_S = 30
WORST = 3
SHOWN_CHARS = 110

Scores = dict[str, float]  # class name -> probability


def score(api_url: str, key: str, posts: Sequence[DemoPost]) -> list[Scores]:
    """Probabilities per post, in the order of `posts`. Raises StackError when the API gives no scores."""
    try:
        answer = httpx2.Client(trust_env=False, timeout=WAIT_S + 5).post(
            f"{api_url}/inference",
            params={"wait": WAIT_S},
            headers={"Authorization": f"Bearer {key}"},
            json={"messages": [post.text for post in posts]},
        )
    except httpx2.HTTPError as error:
        raise StackError(f"the demo posts could not be scored: {error}") from error
    if answer.status_code != 200:
        raise StackError(
            f"the demo posts could not be scored: the API answered {answer.status_code} {answer.text[:200]}"
        )
    return list(answer.json())


def table(posts: Sequence[DemoPost], scores: Sequence[Scores]) -> Group:
    """A line per brand, then the posts that a brand would want to see first."""
    brands = Table(title="demo posts, scored through the queue", title_justify="left")
    brands.add_column("brand")
    for heading in ("posts", *LABELS):
        brands.add_column(heading, justify="right")
    for brand, rows in shares(posts, scores):
        brands.add_row(Text(brand), str(rows["posts"]), *(f"{rows[name]:.0%}" for name in LABELS))
    worst = Table(title="most negative", title_justify="left")
    worst.add_column("negative", justify="right", no_wrap=True)
    worst.add_column("brand", no_wrap=True)
    worst.add_column("post")
    for post, probabilities in sorted(zip(posts, scores, strict=True), key=lambda row: -row[1]["negative"])[:WORST]:
        worst.add_row(
            f"{probabilities['negative']:.2f}",
            Text(post.brand),
            Text(shorten(post.text, SHOWN_CHARS, placeholder=" …")),
        )
    return Group(brands, worst)


def shares(posts: Sequence[DemoPost], scores: Sequence[Scores]) -> list[tuple[str, dict[str, float]]]:
    """Per brand: number of posts, and each class's mean probability, which estimates its share better than counting."""
    rows = sorted(zip(posts, scores, strict=True), key=lambda row: row[0].brand)
    result = []
    for brand, members in groupby(rows, key=lambda row: row[0].brand):
        found = [probabilities for _, probabilities in members]
        means = {name: sum(p[name] for p in found) / len(found) for name in LABELS}
        result.append((brand, {"posts": len(found), **means}))
    return result
