"""A three-class checkpoint of anyone's, opened and checked: what its outputs mean, how much of a text it can read."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from overheard.errors import BundleError
from overheard.scoring.bundle import LABELS, WEIGHTS, is_bundle, load_manifest
from overheard.training.dequantise import dequantise
from overheard.training.recipe import Recipe

MAX_TOKENS: Final = Recipe().max_tokens
_VOCABULARIES: Final = ("tokenizer.json", "vocab.*", "*.model")  # without any of them transformers makes one up


@dataclass(frozen=True)
class Checkpoint:
    """labels: what the outputs mean, in their order. max_tokens, temperature: as in a bundle's manifest."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    labels: tuple[str, ...]
    max_tokens: int
    temperature: float = 1.0


def open_checkpoint(directory: Path, scratch: Path, labels: Sequence[str] = ()) -> Checkpoint:
    """The checkpoint in `directory`, or the float32 weights of the bundle there: its own, else rebuilt in `scratch`.

    labels: what the outputs mean where the checkpoint does not say. Raises BundleError when it is no sentiment
    classifier with safetensors and a fast tokenizer.
    """
    if not is_bundle(directory):
        return _open(directory, labels)
    manifest = load_manifest(directory)
    source = directory
    if not (directory / WEIGHTS).is_file():
        source = scratch / "rebuilt"
        dequantise(directory, source)
    opened = _open(source, manifest.labels)
    return Checkpoint(opened.model, opened.tokenizer, manifest.labels, manifest.max_tokens, manifest.temperature)


def _open(directory: Path, labels: Sequence[str]) -> Checkpoint:
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        names = _labels(directory, config, labels)
        tokenizer = transformers.AutoTokenizer.from_pretrained(directory, trust_remote_code=False)
        model, loading = transformers.AutoModelForSequenceClassification.from_pretrained(
            directory,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="eager",
            dtype=torch.float32,
            output_loading_info=True,
        )
    except BundleError:
        raise
    except Exception as error:  # whatever a missing file, a broken one or an unknown family raise in there
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise BundleError(directory, f"can't be loaded: {reason}") from error
    if missing := sorted(loading["missing_keys"]):
        raise BundleError(directory, f"is no finished classifier: it has no weights for {', '.join(missing[:3])}")
    if not tokenizer.is_fast or not has_vocabulary(directory):
        raise BundleError(directory, "has no tokenizer.json, nor files that one could be made of")
    model.eval()
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: index for index, name in enumerate(names)}
    most = positions(directory, model) or MAX_TOKENS
    return Checkpoint(model, tokenizer, names, min(most, MAX_TOKENS))


def _labels(directory: Path, config: dict[str, object], given: Sequence[str]) -> tuple[str, ...]:
    """The outputs' names in order: the checkpoint's own when they are ours, else those that were given."""
    named = config.get("id2label")
    own = (
        [str(name).lower() for _, name in sorted(named.items(), key=lambda pair: int(pair[0]))]
        if isinstance(named, dict)
        else [f"label_{index}" for index in range(2)]
    )  # what transformers assumes
    if len(own) != len(LABELS):
        raise BundleError(directory, f"has {len(own)} outputs instead of {len(LABELS)}")
    names = own if sorted(own) == sorted(LABELS) else [name.strip().lower() for name in given]
    if not names:
        advice = f"say what they mean, in their order: OVERHEARD_FIRST_MODEL_LABELS={','.join(LABELS)}"
        raise BundleError(directory, f"labels are {', '.join(own)} instead of {', '.join(LABELS)}; {advice}")
    if sorted(names) != sorted(LABELS):
        raise BundleError(directory, f"labels are said to be {', '.join(names)} instead of {', '.join(LABELS)}")
    return tuple(names)


def has_vocabulary(directory: Path) -> bool:
    """Whether a checkpoint brings what its tokenizer is made of."""
    return any(found for name in _VOCABULARIES for found in directory.glob(name))


def positions(directory: Path, model: PreTrainedModel) -> int | None:
    """How many tokens the model has positions for, if it counts them; RoBERTa's kin skip the first few.

    Raises BundleError when they are too few for a sentence.
    """
    places: int | None = model.config.to_dict().get("max_position_embeddings")
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            skipped = module.padding_idx + 1 if module.padding_idx is not None else 0
            places = module.num_embeddings - skipped
    if places and places < 8:
        raise BundleError(directory, f"has positions for {places} tokens: too few for a sentence")
    return places or None
