"""From fine-tuned weights to the bundle that would serve: exported, calibrated, with its weights beside it."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from overheard.errors import BundleError
from overheard.scoring.bundle import Manifest
from overheard.scoring.engine import softmax
from overheard.scoring.onnx import OnnxEngine
from overheard.scoring.text import clean
from overheard.training import forms
from overheard.training.agreement import Judge
from overheard.training.calibration import fit_temperature, known
from overheard.training.checkpoint import open_checkpoint
from overheard.training.data import Rows
from overheard.training.export import CALIBRATION_TEXTS, with_long_ones, write_bundle

JUDGED_TEXTS: Final = 1000


def make_bundle(
    checkpoint: Path,
    out: Path,
    *,
    seen: Sequence[str],
    held_out: Rows,
    prior_shift: float,
    facts: Mapping[str, Any],
    say: Callable[[str], None],
) -> Manifest:
    """Write the bundle `out` of a fine-tuned checkpoint, in the fastest form that answers as its float32 weights do.

    seen: training texts, which show how far activations reach. held_out: rows that set the temperature; the first
    JUDGED_TEXTS of them are what forms are judged on. prior_shift: as in Recipe. facts: name, base, data_hash, seed and
    metrics of the manifest. Raises BundleError when no form agrees.
    """
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as scratch:
        opened = open_checkpoint(checkpoint, Path(scratch))
        calibration = with_long_ones([clean(text) for text in seen[:CALIBRATION_TEXTS]])
        tokens = opened.tokenizer(calibration, truncation=True, max_length=opened.max_tokens)["input_ids"]
        judge = Judge(opened, held_out.texts[:JUDGED_TEXTS], Path(scratch) / "draft")
        choice = forms.choose(forms.describe(opened.model, tokens), judge, say)
        if choice is None:
            raise BundleError(
                checkpoint, "its graph does not answer as torch does, in no form: this kind can't be served"
            )
        logits = np.log(np.maximum(OnnxEngine(judge.draft, 0).score(held_out.texts), 1e-9))
        labels = np.array(held_out.labels)
        temperature = fit_temperature(logits, labels, prior_shift)
        metrics = {**facts.get("metrics", {}), "conversion": {"float32_parts": list(choice.kept), **choice.tried}}
        metrics |= known(softmax(logits, temperature), labels)
        own = {"labels": opened.labels, "max_tokens": opened.max_tokens, "temperature": temperature, "metrics": metrics}
        return write_bundle(
            out, choice.graph, opened.model, opened.tokenizer, {**facts, **own}, form=choice.form, with_weights=True
        )
