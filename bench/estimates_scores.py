"""Posts, labels and calibrated probabilities for `bench.estimates`, kept in files so that it is rerun in seconds.

The topics' posts are among the rows that the starter learned from, so another model reads them: trained as the starter
was, on the rows that are neither posts of the topics it will read nor near copies of one. It reads all topics with 200
posts or more, which are measured, and some smaller ones, on which whatever needs tuning is tuned. The other streams are
read by the starter, which never saw them.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from overheard.aggregates import Floats
from overheard.scoring.onnx import OnnxEngine
from overheard.training.bundle import make_bundle
from overheard.training.copies import without_copies
from overheard.training.data import Rows
from overheard.training.finetune import finetune
from overheard.training.progress import Progress
from overheard.training.recipe import Recipe
from overheard.training.starter import HELD_OUT_SHARE

MEASURED_POSTS: Final = 200
"""Topics with so many posts are measured."""
TUNED_TOPICS: Final = 45
STARTER: Final = Path(__file__).parents[1] / "overheard" / "starter"
_SHOW_EVERY: Final = 50


@dataclass(frozen=True)
class Stream:
    """Scored posts. probabilities: (n, 3); labels: (n,) of 0, 1, 2; groups: (n,) of each post's topic or brand."""

    texts: NDArray[np.str_]
    probabilities: Floats
    labels: NDArray[np.int64]
    groups: NDArray[np.str_]

    def save(self, path: Path) -> None:
        np.savez_compressed(
            path, texts=self.texts, probabilities=self.probabilities, labels=self.labels, groups=self.groups
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        with np.load(path) as found:
            return cls(**{name: found[name] for name in found.files})


@dataclass(frozen=True)
class Topics:
    """The topic stream. ids, texts, names: one per post; labels: the sign of its score towards the topic."""

    ids: NDArray[np.str_]
    texts: NDArray[np.str_]
    names: NDArray[np.str_]
    labels: NDArray[np.int64]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Those posts whose topic is measured or tuned on."""
        table = pq.read_table(path, columns=["id", "text", "topic", "score"]).to_pydict()
        labels = np.sign(np.array(table["score"], np.int64)) + 1
        names, places, counts = np.unique(np.array(table["topic"]), return_inverse=True, return_counts=True)
        small = np.flatnonzero(counts < MEASURED_POSTS)
        is_read = counts >= MEASURED_POSTS
        is_read[np.random.default_rng(0).permutation(small)[:TUNED_TOPICS]] = True
        kept = is_read[places]
        return cls(np.array(table["id"])[kept], np.array(table["text"])[kept], names[places][kept], labels[kept])


def train(data: Path, topics: Topics, base: str, out: Path, epochs: float) -> None:
    """Write the bundle of a model that never saw these topics, and beside it the rows that calibrated it."""
    table = pq.read_table(data, columns=["id", "text", "label"]).to_pydict()
    own = set(topics.ids.tolist())
    others = [place for place, key in enumerate(table["id"]) if key not in own]
    rows = Rows(tuple(table["text"]), tuple(table["label"]))[others]
    rows = without_copies(rows, Rows(tuple(topics.texts.tolist()), tuple(topics.labels.tolist())))
    recipe = replace(Recipe(), epochs=epochs)
    kept, held_out = rows.split(HELD_OUT_SHARE, recipe.seed)
    held_out = without_copies(held_out, kept)
    print(f"{len(kept)} rows to learn, {len(held_out)} held out", flush=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        finetune(base, kept, Path(scratch) / "weights", recipe, on_step=_show)
        metrics = {"counts": kept.counts, "held_out": held_out.counts}
        facts = {"name": "topics-held-out", "base": Path(base).name, "seed": recipe.seed, "metrics": metrics}
        make_bundle(
            Path(scratch) / "weights",
            out,
            seen=kept.texts,
            held_out=held_out,
            prior_shift=recipe.prior_shift,
            languages={"en": len(kept)},
            facts={**facts, "data_hash": rows.content_hash()},
            say=print,
        )
    known = np.array(held_out.texts), score(out, held_out.texts), np.array(held_out.labels)
    Stream(*known, np.full(len(held_out), "held out")).save(out.parent / "held-out.npz")


def _show(progress: Progress) -> None:
    if progress.step % _SHOW_EVERY == 0:
        print(f"step {progress.step} of {progress.steps}, {progress.eta_s:.0f} s", flush=True)


def score(bundle: Path, texts: Sequence[str]) -> Floats:
    return OnnxEngine(bundle, 1).score(list(texts)).astype(np.float64)
