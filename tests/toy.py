"""Posts in a made-up language in which two words decide: a tiny model learns it in seconds."""

import csv
import random
from pathlib import Path

from overheard.scoring.bundle import LABELS

MOODS = (range(6), range(6, 12), range(12, 18))
FILLERS = range(18, 200)


def toy_posts(count: int, seed: int) -> list[tuple[str, int]]:
    """Texts of words that `tests.checkpoints` knows, and their labels."""
    chance = random.Random(seed)
    posts = []
    for number in range(count):
        label = number % 3
        words = [*chance.choices(FILLERS, k=chance.randint(3, 6)), *chance.choices(MOODS[label], k=2)]
        chance.shuffle(words)
        posts.append((" ".join(f"word{word}" for word in words), label))
    return posts


def write_toy(path: Path, count: int, seed: int) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        rows.writerows((text, LABELS[label]) for text, label in toy_posts(count, seed))
    return path
