"""What a checkpoint answers before it is quantised."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from overheard.scoring.batches import plan
from overheard.scoring.engine import TOKEN_BUDGET, Floats
from overheard.scoring.text import clean


def predict_logits(checkpoint: Path, texts: Sequence[str], max_tokens: int) -> Floats:
    """(N, classes) float32 logits of a checkpoint, in the order of `texts`."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint, use_safetensors=True)
    model.float().eval()
    return logits_of(model, tokenizer, texts, max_tokens)


def logits_of(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_tokens: int
) -> Floats:
    """(N, classes) float32 logits of a model in evaluation mode, in the order of `texts`."""
    return logits_of_tokens(model, tokenizer, encode(tokenizer, texts, max_tokens))


@torch.no_grad()
def logits_of_tokens(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    tokens: Sequence[list[int]],
    on_pass: Callable[[], None] = lambda: None,
) -> Floats:
    """The same for texts that are tokens already. on_pass: called after each forward pass."""
    logits = np.empty((len(tokens), int(model.config.num_labels or 0)), dtype=np.float32)
    for indices in plan([len(ids) for ids in tokens], TOKEN_BUDGET):
        batch = tokenizer.pad({"input_ids": [tokens[index] for index in indices]}, return_tensors="pt")
        logits[indices] = model(**batch.to(model.device)).logits.float().cpu().numpy()
        on_pass()
    return logits


def encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """The tokens of cleaned texts, cut to `max_tokens`, special ones included."""
    ids: list[list[int]]
    ids = tokenizer([clean(text) for text in texts], truncation=True, max_length=max_tokens)["input_ids"]
    return ids
