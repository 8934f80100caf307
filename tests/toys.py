"""Rows that a tiny model learns in seconds, and such a model."""

import random
from pathlib import Path

import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from overheard.training.data import Rows
from overheard.training.recipe import Recipe

MOODS = (("awful", "broken", "rude"), ("parcel", "tuesday", "street"), ("lovely", "superb", "kind"))
FILLERS = ("the", "a", "phone", "is", "was", "here", "shop")
RECIPE = Recipe(
    epochs=24,
    batch_size=16,
    learning_rate=3e-3,
    layer_decay=1.0,
    freezes_words=False,
    label_smoothing=0.05,
    dropout=0.1,
    word_dropout=0.0,
    average_decay=0.9,
    prior_shift=0.0,
    max_tokens=16,
    seed=1,
)


def toy_rows(count: int, seed: int) -> Rows:
    """One word decides each row; the rest says nothing."""
    rng = random.Random(seed)
    labels = tuple(i % 3 for i in range(count))
    texts = tuple(" ".join([*rng.choices(FILLERS, k=rng.randint(1, 8)), rng.choice(MOODS[i])]) for i in labels)
    return Rows(texts, labels)


def save_base(directory: Path) -> str:
    """A tiny BERT with random weights."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *FILLERS, *(word for mood in MOODS for word in mood)]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(directory)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        initializer_range=0.2,
    )
    transformers.set_seed(0)
    transformers.BertModel(config).save_pretrained(directory)
    return str(directory)
