"""The posts that are scored: distinct, and drawn at random, so that all contestants get texts of the same lengths."""

import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from overheard import demo, rows
from overheard.limits import MAX_MESSAGE_CHARS
from overheard.scoring.text import clean

DEMO_POSTS = "demo posts"


class Texts:
    """Posts that stay distinct when they are cleaned: what is equal then may be scored once, by whoever has a cache."""

    def __init__(self, name: str, texts: list[str], seed: int) -> None:
        self.name, self._seed = name, seed
        self._distinct = list({clean(text): text[:MAX_MESSAGE_CHARS] for text in texts if text.strip()}.values())

    def __len__(self) -> int:
        return len(self._distinct)

    def draw(self, number: int, count: int) -> list[str]:
        """`count` distinct texts, always the same for this `number`; another number draws others, or another order.

        When there are too few, the next round through them carries a number at the end of each text.
        """
        drawn = self._endless(random.Random(f"{self._seed} {number}"))
        return [next(drawn) for _ in range(count)]

    def _endless(self, chance: random.Random) -> Iterator[str]:
        for lap in count():
            for text in chance.sample(self._distinct, len(self._distinct)):
                yield f"{text} #{lap}" if lap else text


def read(data: Path | None, column: str, seed: int) -> Texts:
    """The file's column; without a file the demo posts. Raises DataError when there is no such file or column."""
    if data is None:
        return Texts(DEMO_POSTS, [post.text for post in demo.posts()], seed)
    opened = rows.open_rows(data)
    opened.require_text(column)
    cells = (cell for table in opened.chunks([column]) for cell in rows.texts(table, column))
    return Texts(data.name, [cell for cell in cells if cell], seed)
