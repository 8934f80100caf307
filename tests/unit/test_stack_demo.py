"""What the demo shows."""

import io

import pytest
from rich.console import Console

from overheard import demo
from overheard.stack.demo import shares, table


def test_a_brand_s_share_is_the_mean_of_its_probabilities() -> None:
    posts = demo.posts()
    scores = [{"negative": 0.5, "neutral": 0.25, "positive": 0.25} for _ in posts]
    found = dict(shares(posts, scores))
    assert set(found) == {post.brand for post in posts}
    assert sum(row["posts"] for row in found.values()) == len(posts)
    assert all(row["negative"] == pytest.approx(0.5) for row in found.values())


def test_the_most_negative_post_is_shown_as_it_was_written() -> None:
    posts = demo.posts()[:3]
    scores = [{"negative": p, "neutral": 0.0, "positive": 1 - p} for p in (0.1, 0.9, 0.2)]
    out = io.StringIO()
    Console(file=out, width=400).print(table(posts, scores))
    lines = out.getvalue().splitlines()
    shown = next(line for line in lines if "0.90" in line)
    assert posts[1].text[:40] in shown
