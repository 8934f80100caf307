"""Old texts that are learned again beside fresh labels, so that a model keeps what it knows.

Not their labels but the model's own answers are learned: what it got wrong is not argued with, so nothing pulls the
weights elsewhere than the fresh labels do.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from overheard.scoring.bundle import LABELS
from overheard.scoring.engine import Floats, softmax
from overheard.training.checkpoint import open_checkpoint
from overheard.training.data import Rows
from overheard.training.predict import logits_of
from overheard.training.recipe import Recipe


@dataclass(frozen=True)
class Replay:
    """Texts and the (N, 3) probabilities that a model should go on giving them."""

    texts: tuple[str, ...]
    probabilities: Floats


def remember(base: Path, old: Rows, recipe: Recipe) -> Replay:
    """Draw `recipe.replayed_rows` of the old rows, all when there are not as many, and have the base answer them.

    base: directory of its checkpoint or bundle. Raises BundleError when it is no sentiment classifier.
    Method: Li & Hoiem, Learning without forgetting, ECCV 2016.
    """
    drawn = np.random.default_rng(recipe.seed).permutation(len(old))[: recipe.replayed_rows]
    texts = old[drawn.tolist()].texts
    with tempfile.TemporaryDirectory(prefix="overheard-replay-") as scratch:
        opened = open_checkpoint(base, Path(scratch))
        logits = logits_of(opened.model, opened.tokenizer, texts, min(recipe.max_tokens, opened.max_tokens))
    ours = logits[:, [opened.labels.index(label) for label in LABELS]]
    return Replay(texts, softmax(ours, temperature=1.0))


def log_prior(rows: Rows, prior_shift: float) -> Floats:
    """(3,) what is added to logits while they learn these rows: see `Recipe.prior_shift`.

    A class without a row counts as one: that nobody labelled it yet does not mean that it never comes.
    """
    shares = np.maximum(np.array(rows.counts, dtype=np.float32), 1) / len(rows)
    adjustment: Floats = np.float32(prior_shift) * np.log(shares)
    return adjustment


def targets(labels: Sequence[int], label_smoothing: float, replay: Replay | None, adjustment: Floats) -> Floats:
    """(N, 3) class probabilities to learn: the labels, smoothed, and below them the replay's.

    Those of the replay are moved by what is added to all logits, so that without it they are as they were.
    """
    smoothing = np.float32(label_smoothing)
    hard = np.eye(3, dtype=np.float32)[list(labels)] * (1 - smoothing) + smoothing / 3
    if replay is None:
        return hard
    moved = replay.probabilities * np.exp(adjustment)
    return np.concatenate([hard, moved / moved.sum(axis=1, keepdims=True)])
