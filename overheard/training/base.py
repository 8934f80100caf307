"""What a training starts from: an encoder, somebody's classifier or a bundle of ours, with its labels in our order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from overheard.errors import BundleError
from overheard.scoring.bundle import LABELS, MANIFEST
from overheard.training.checkpoint import has_vocabulary, open_checkpoint, positions
from overheard.training.data import LABEL_OF


@dataclass(frozen=True)
class Base:
    """A float32 model on the CPU whose outputs are negative, neutral, positive; positions: tokens that it can read."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    positions: int | None


def open_base(base: str, scratch: Path) -> Base:
    """Open `base`: a bundle's or a checkpoint's directory, or a Hub id, maybe with @revision.

    A sentiment classifier keeps its head, its rows put in our order by the names of its labels; whatever else stands on
    an encoder is replaced by a new head from torch's random state. scratch: a folder for the weights of a bundle that
    has none. Raises BundleError when it can't be loaded.
    """
    if (Path(base) / MANIFEST).is_file():
        opened = open_checkpoint(Path(base), scratch)
        model, tokenizer = opened.model, opened.tokenizer
        names: Sequence[str] = opened.labels
    else:
        model, tokenizer, names = _load(base)
    order = _order(names)
    model = _with_new_head(model) if order is None else _reordered(model, order)
    model.config.id2label = dict(enumerate(LABELS))
    model.config.label2id = {name: label for label, name in enumerate(LABELS)}
    return Base(model, tokenizer, positions(Path(base), model))


def _load(base: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, Sequence[str]]:
    """The model, its tokenizer, and what its outputs are called."""
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # a new head on a bare encoder is what is wanted, not a warning
    if Path(base).is_dir() and not has_vocabulary(Path(base)):
        raise BundleError(base, "has no tokenizer.json, nor files that one could be made of")
    name, _, revision = base.partition("@") if not Path(base).is_dir() else (base, "", "")
    options: dict[str, Any] = {"revision": revision or "main", "trust_remote_code": False}
    try:
        config = transformers.AutoConfig.from_pretrained(name, **options)
        names = [str(label) for _, label in sorted((config.id2label or {}).items())]
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, **options)
        model, loading = transformers.AutoModelForSequenceClassification.from_pretrained(
            name,
            **options,
            num_labels=len(LABELS),
            ignore_mismatched_sizes=True,
            attn_implementation="eager",  # with dropout the fused kernels are slower on a CPU
            use_safetensors=True,
            dtype=torch.float32,  # what is kept in 16 bits is not trained in them
            output_loading_info=True,
        )
    except Exception as error:  # whatever a missing file, a broken one or a lost network raise in there
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise BundleError(base, f"can't be loaded: {reason}") from error
    _check(base, model, tokenizer, loading)
    return model, tokenizer, names


def _check(base: str, model: PreTrainedModel, tokenizer: Any, loading: Mapping[str, Any]) -> None:
    encoder = f"{model.base_model_prefix}."
    missing = sorted(name for name in loading["missing_keys"] if name.startswith(encoder) and ".pooler." not in name)
    if missing:
        raise BundleError(base, f"can't be trained: it has no weights for {', '.join(missing[:3])}")
    if not tokenizer.is_fast:
        raise BundleError(base, "has no fast tokenizer, as it takes to serve what is trained")


def _order(names: Sequence[str]) -> list[int] | None:
    """Where negative, neutral and positive are among the outputs; None when these are named otherwise."""
    labels = [LABEL_OF.get(name.strip().lower()) if name.strip().isalpha() else None for name in names]
    if None in labels or sorted(map(str, labels)) != sorted(map(str, range(len(LABELS)))):
        return None
    return [labels.index(label) for label in range(len(LABELS))]


@torch.no_grad()
def _reordered(model: PreTrainedModel, order: Sequence[int]) -> PreTrainedModel:
    *_, last = (
        module
        for module in model.modules()
        if isinstance(module, torch.nn.Linear) and module.out_features == len(LABELS)
    )
    last.weight.copy_(last.weight[list(order)])
    last.bias.copy_(last.bias[list(order)])
    return model


def _with_new_head(model: PreTrainedModel) -> PreTrainedModel:
    fresh: PreTrainedModel
    fresh = transformers.AutoModelForSequenceClassification.from_config(model.config)  # type: ignore[no-untyped-call]
    fresh.base_model.load_state_dict(model.base_model.state_dict())
    return fresh
