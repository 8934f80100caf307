"""How often drift is called where there is none, and found where it is: `python -m bench.drift --data rows.parquet`.

`--data`: rows with `text` and `label`, of one kind. Half of them make a reference; posts are drawn from the other half,
so that nothing has drifted, and then with more of one class. `--streams`: files with `text`, held against the starter.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from overheard import drift, reference
from overheard.drift import FEATURES, Counts, Drift, Reference
from overheard.reference import Incidence, Vocabulary
from overheard.registry import locate
from overheard.scoring.bundle import LABELS, REFERENCE
from overheard.scoring.onnx import OnnxEngine
from overheard.scoring.text import clean

DRAWS = 500
SIZES = (30, 100, 250, 500, 1_000, 2_000)
SHIFTS = (0.05, 0.1)
POSTS = 2_000
Labels = np.ndarray[Any, np.dtype[np.int64]]


class Rows:
    """Posts of one kind that did not drift: drawn from those that the reference does not know."""

    def __init__(self, texts: Sequence[str], labels: Sequence[int], vocabulary: Vocabulary) -> None:
        generator = np.random.default_rng(1)
        places = generator.permutation(reference.distinct(texts))
        known, others = np.array_split(places, 2)
        self.reference, ids = _made([texts[p] for p in known], [labels[p] for p in known], vocabulary)
        cleaned = [clean(texts[place]) for place in others]
        self.tokens = Incidence.of(vocabulary.tokens(cleaned), ids)
        self.lengths = np.stack([reference.lengths([text]) for text in cleaned])
        self.labels = np.array([labels[place] for place in others])
        self.count = len(others)

    def report(self, rows: Labels, classes: Labels) -> list[Drift]:
        counts = np.bincount(classes, minlength=3).astype(np.float64)
        lengths = self.lengths[rows].sum(axis=0)
        now = Counts(len(rows), counts, lengths, {}, self.tokens.counts(rows))
        return drift.report(now, self.reference, LABELS)

    def alarms(self, posts: int) -> dict[str, float]:
        """Share of DRAWS without drift that is called so: of each feature, and of any."""
        generator = np.random.default_rng(posts)
        drawn = (generator.choice(self.count, posts, replace=False) for _ in range(DRAWS))
        reports = [{one.feature: one.is_drift for one in self.report(rows, self.labels[rows])} for rows in drawn]
        by_feature = {name: float(np.mean([one[name] for one in reports])) for name in reports[0]}
        return {**by_feature, "any": float(np.mean([any(one.values()) for one in reports]))}

    def found(self, posts: int, shift: float) -> float:
        """Share of DRAWS in which so many points more of the negative and fewer of the neutral are called drift."""
        generator = np.random.default_rng(posts)
        shares = np.bincount(self.labels, minlength=3) / self.count + np.array([shift, -shift, 0])
        drawn = (
            (generator.integers(self.count, size=posts), generator.choice(3, posts, p=shares)) for _ in range(DRAWS)
        )
        return float(np.mean([self.report(rows, classes)[0].is_drift for rows, classes in drawn]))


def _made(texts: Sequence[str], labels: Sequence[int], vocabulary: Vocabulary) -> tuple[Reference, list[int]]:
    with TemporaryDirectory() as folder:
        (Path(folder) / REFERENCE).write_bytes(reference.make(texts, labels, {}, vocabulary))
        known = reference.read(Path(folder))
    assert known
    return known


def against_starter(texts: Sequence[str]) -> list[Drift]:
    """At most POSTS of these, as the starter reads them."""
    bundle = locate("starter", Path())
    known = reference.read(bundle)
    assert known
    some = [texts[place] for place in np.random.default_rng(0).permutation(len(texts))[:POSTS]]
    distinct = [some[place] for place in reference.distinct(some)]
    classes = OnnxEngine(bundle, threads=1).score(distinct).argmax(axis=1).tolist()
    now = reference.count(distinct, classes, [""] * len(distinct), Vocabulary.of(bundle), known[1])
    return drift.report(now, known[0], LABELS)


def tables(rows: Rows) -> Iterator[str]:
    """Markdown."""
    features = [name for name in FEATURES if name != "language"]
    yield f"| posts | {' | '.join(features)} | any | 5 points found | 10 points found |"
    yield "|---|" + "---|" * (len(features) + 3)
    for posts in SIZES:
        alarms = rows.alarms(posts)
        cells = [*(alarms[name] for name in (*features, "any")), *(rows.found(posts, shift) for shift in SHIFTS)]
        yield f"| {posts:,} | " + " | ".join(f"{100 * share:.1f} %" for share in cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.drift", description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="Parquet with text and label (0, 1, 2)")
    parser.add_argument("--streams", nargs="*", default=[], type=Path, help="Parquet files with text")
    options = parser.parse_args()
    table = pq.read_table(options.data, columns=["text", "label"]).to_pydict()
    for line in tables(Rows(table["text"], table["label"], Vocabulary.of(locate("starter", Path())))):
        print(line, flush=True)
    for path in options.streams:
        for one in against_starter(pq.read_table(path, columns=["text"]).to_pydict()["text"]):
            numbers = f"JS {one.js:.4f}, by chance {one.expected:.4f}, limit {one.limit:.4f}, PSI {one.psi:.3f}"
            print(f"{path.stem}: {one.feature} of {one.posts:,}: {numbers}: {'drift' if one.is_drift else 'no drift'}")


if __name__ == "__main__":
    main()
