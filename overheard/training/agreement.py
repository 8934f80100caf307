"""Whether a graph still answers as the float32 weights do that it was made of."""

from collections.abc import Sequence
from pathlib import Path

import onnx

from overheard.scoring.bundle import LABELS
from overheard.scoring.engine import softmax
from overheard.scoring.onnx import OnnxEngine
from overheard.training.checkpoint import Checkpoint
from overheard.training.export import write_bundle
from overheard.training.forms import Agreement
from overheard.training.predict import logits_of


class Judge:
    """Serves a graph as a worker would, and compares what it says with what torch says in float32.

    The bundle of the graph that was judged last is left in `draft`.
    """

    def __init__(self, opened: Checkpoint, texts: Sequence[str], draft: Path) -> None:
        self.opened, self.texts, self.draft = opened, texts, draft
        self.facts = {
            "name": "draft",
            "base": "draft",
            "labels": opened.labels,
            "max_tokens": opened.max_tokens,
            "temperature": opened.temperature,
        }
        logits = logits_of(opened.model, opened.tokenizer, texts, opened.max_tokens)
        self.expected = softmax(logits[:, [opened.labels.index(label) for label in LABELS]], opened.temperature)

    def __call__(self, graph: onnx.ModelProto) -> Agreement:
        write_bundle(self.draft, graph, self.opened.model, self.opened.tokenizer, self.facts)
        return Agreement.between(OnnxEngine(self.draft, 0).score(self.texts), self.expected)
