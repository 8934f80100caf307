"""From a fine-tuned checkpoint to a bundle that workers can serve."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import onnx
import transformers
from onnx import helper
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from overheard.errors import BundleError
from overheard.scoring.bundle import MODEL, TOKENIZER, Form, Manifest, write_manifest
from overheard.scoring.text import clean
from overheard.training.graph import build
from overheard.training.ranges import measure_ranges
from overheard.training.whole import written_whole

CALIBRATION_TEXTS: Final = 500
_TEXTS_IN_A_LONG_ONE: Final = 6
_QUANTISATION: Final[dict[Form, str]] = {
    "int8": "int8, fixed activation ranges, per-channel weights",
    "mixed": "int8, fixed activation ranges, per-channel weights; some parts in float32",
    "float32": "none",
}


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
    extras: Mapping[str, bytes] | None = None,
) -> Manifest:
    """Quantise `checkpoint` to int8 and write the bundle `out`: whole or not at all, replacing what was there.

    calibration: training texts, never those that a model is judged on; the first CALIBRATION_TEXTS show how far the
    activations reach. extras: other files of the bundle, by name. Raises OverheardError when the model is of a family
    that can't be exported, BundleError when a fact is not valid.
    """
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint, use_safetensors=True)
    model.float().eval()
    if not calibration:
        raise BundleError(out, "no calibration texts to measure activations on")
    texts = with_long_ones([clean(text) for text in calibration[:CALIBRATION_TEXTS]])
    tokens = tokenizer(texts, truncation=True, max_length=max_tokens)["input_ids"]
    facts = {
        "name": name,
        "labels": [str(model.config.id2label[index]).lower() for index in range(model.config.num_labels)],
        "max_tokens": max_tokens,
        "temperature": temperature,
        "base": base,
        "data_hash": data_hash,
        "seed": seed,
        "metrics": dict(metrics or {}),
    }
    return write_bundle(out, build(model, measure_ranges(model, tokens)), model, tokenizer, facts, extras=extras)


def with_long_ones(texts: Sequence[str]) -> list[str]:
    """The texts, and some that are made of several of them: posts are short, but not all that will be read is."""
    joined = [" ".join(texts[start : start + _TEXTS_IN_A_LONG_ONE]) for start in range(0, len(texts), 10)]
    return [*texts, *joined]


def write_bundle(
    out: Path,
    graph: onnx.ModelProto,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    facts: Mapping[str, Any],
    *,
    form: Form = "int8",
    with_weights: bool = False,
    extras: Mapping[str, bytes] | None = None,
) -> Manifest:
    """Write a bundle to `out`: whole or not at all, replacing what was there.

    facts: the other fields of its manifest. with_weights: put the float weights and their configuration beside the
    graph. extras: other files of it, by name. Raises BundleError when a fact is not valid.
    """
    specials = {kind: token for kind, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
    helper.set_model_props(graph, {"config": model.config.to_json_string(), "special_tokens": json.dumps(specials)})
    with written_whole(out) as draft:
        onnx.save(graph, draft / MODEL)
        if with_weights:
            model.save_pretrained(draft)
            tokenizer.save_pretrained(draft)
        (draft / TOKENIZER).write_text(tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
        for name, content in (extras or {}).items():
            (draft / name).write_bytes(content)
        own = {"form": form, "fits_16_bits": True, "quantisation": _QUANTISATION[form], "created": datetime.now(UTC)}
        return write_manifest(draft, {**own, **facts})
