"""What a checkpoint answers before it is quantised."""

from collections.abc import Sequence
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


@torch.no_grad()
def logits_of(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_tokens: int
) -> Floats:
    """(N, classes) float32 logits of a model in evaluation mode, in the order of `texts`."""
    tokens = tokenizer([clean(text) for text in texts], truncation=True, max_length=max_tokens)["input_ids"]
    logits = np.empty((len(texts), int(model.config.num_labels or 0)), dtype=np.float32)
    for indices in plan([len(ids) for ids in tokens], TOKEN_BUDGET):
        batch = tokenizer.pad({"input_ids": [tokens[index] for index in indices]}, return_tensors="pt")
        logits[indices] = model(**batch).logits.float().numpy()
    return logits
