"""Two weeks of posts to look at before there are own ones. Both companies, Tazzamo and Norrbean, are invented.

So are the people, the outlets and every word they write; the labels are a human reader's. Tazzamo launches a coffee
machine on day 2, an update stops it from working on day 8, a subscription leaks on day 9, an apology follows on day 10.
Norrbean makes lever machines, is mostly liked, and is short of them for a while.
"""

import json
from dataclasses import dataclass
from importlib import resources
from typing import Literal, TypeAlias

Label: TypeAlias = Literal["negative", "neutral", "positive"]
Source: TypeAlias = Literal["x", "mastodon", "bluesky", "reddit", "news", "reviews"]


@dataclass(frozen=True)
class DemoPost:
    """A post of the demo stream.

    offset_minutes: how long before the end of the stream it was written. reach: followers or views.
    label: its true sentiment towards the brand, so sarcasm is negative and another brand's praise may be, too.
    """

    external_id: str
    brand: str
    source: Source
    author: str
    lang: str
    offset_minutes: int
    reach: int
    text: str
    label: Label


def posts() -> list[DemoPost]:
    """The demo stream, oldest post first; it is about two invented companies."""
    lines = resources.files(__name__).joinpath("posts.jsonl").read_text(encoding="utf-8").splitlines()
    return [DemoPost(**json.loads(line)) for line in lines]
