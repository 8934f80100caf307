"""From a fine-tuned checkpoint to a bundle that workers can serve."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import onnx
import transformers
from onnx import helper

from overheard.errors import BundleError
from overheard.scoring.bundle import MODEL, TOKENIZER, Manifest, write_manifest
from overheard.scoring.text import clean
from overheard.training.graph import build
from overheard.training.ranges import measure_ranges

CALIBRATION_TEXTS = 500
_TEXTS_IN_A_LONG_ONE = 6


def export_bundle(
    checkpoint: Path,
    out: Path,
    *,
    calibration: Sequence[str],
    name: str,
    base: str,
    max_tokens: int,
    temperature: float = 1.0,
    data_hash: str | None = None,
    seed: int | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> Manifest:
    """Quantise `checkpoint` to int8 and write the bundle `out`: whole or not at all, replacing what was there.

    calibration: training texts, never those that a model is judged on; the first CALIBRATION_TEXTS show how far the
    activations reach. Raises OverheardError when the model is of a family that
    can't be exported, BundleError when a fact is not valid.
    """
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint, use_safetensors=True)
    model.float().eval()
    texts = [clean(text) for text in calibration[:CALIBRATION_TEXTS]]
    if not texts:
        raise BundleError(out, "no calibration texts to measure activations on")
    texts += [" ".join(texts[start : start + _TEXTS_IN_A_LONG_ONE]) for start in range(0, len(texts), 10)]
    tokens = tokenizer(texts, truncation=True, max_length=max_tokens)["input_ids"]
    graph = build(model, measure_ranges(model, tokens))
    specials = {kind: token for kind, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
    facts = {"config": model.config.to_json_string(), "special_tokens": json.dumps(specials)}
    helper.set_model_props(graph, facts)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        draft = Path(scratch) / "bundle"
        draft.mkdir()
        onnx.save(graph, draft / MODEL)
        (draft / TOKENIZER).write_text(tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
        manifest = write_manifest(
            draft,
            {
                "name": name,
                "labels": _labels(model.config),
                "max_tokens": max_tokens,
                "temperature": temperature,
                "quantisation": "int8, fixed activation ranges, per-channel weights",
                "base": base,
                "data_hash": data_hash,
                "seed": seed,
                "metrics": dict(metrics or {}),
                "created": datetime.now(UTC),
            },
        )
        _replace(draft, out, Path(scratch) / "replaced")
    return manifest


def _labels(config: Any) -> list[str]:
    """The outputs' names in order. A checkpoint that names them LABEL_0… can't say what it means: that is an error."""
    return [str(config.id2label[index]).lower() for index in range(config.num_labels)]


def _replace(draft: Path, out: Path, replaced: Path) -> None:
    if out.exists():
        out.rename(replaced)
    draft.rename(out)
