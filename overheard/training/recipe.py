"""How a model is fine-tuned: every number that decides it, in one value."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters of one fine-tuning; the defaults are the starter's, chosen on a split by year (see its card)."""

    epochs: float = 2.0
    batch_size: int = 64
    learning_rate: float = 2.5e-4
    layer_decay: float = 0.9
    """Each layer learns this many times as fast as the one above it."""
    freezes_words: bool = True
    """Whether word embeddings stay as they are: then words seen in training don't drift away from the others."""
    warmup_share: float = 0.06
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    dropout: float = 0.0
    """Of activations; without it a step on a CPU takes a fifth less time."""
    word_dropout: float = 0.2
    """Share of the tokens that are masked while learning."""
    average_decay: float = 0.99
    """Of the exponential moving average over all steps that is saved instead of the last weights; 0 saves the last."""
    prior_shift: float = 0.5
    """How far the prior of the classes moves from that of the rows (0) to a uniform one (1)."""
    max_tokens: int = 128
    seed: int = 0
    validation_rows: int = 2000
    """At most so many of the rows to validate on, if there are any, are read at each judgement."""
    judgements_per_epoch: int = 4
    patience: int = 8
    """Training stops after so many judgements without a better macro-recall than the best."""
    fresh_passes: int = 1
    """How often each labelled row comes in an epoch; what is replayed comes once."""
    replayed_rows: int = 0
    """Old texts whose answers are learned again, once an epoch, so that they are kept."""
    kept_share: float = 0.0
    """Of the starting weights, mixed into the trained ones at the end."""


REFRESH = Recipe(epochs=1.0, batch_size=32, learning_rate=4e-4, fresh_passes=2, replayed_rows=1600, kept_share=0.5)
"""Of a model that knows its task and meets a few hundred labels from another stream: see docs/learning.md."""
