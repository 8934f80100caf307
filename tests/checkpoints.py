"""Small checkpoints with random weights, of any family, as transformers would save them."""

from collections import Counter
from pathlib import Path

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from overheard import demo
from tests.stack import RunningStack
from tests.toy import write_toy

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
SAID = Counter(word for post in demo.posts() for word in post.text.split()).most_common(300)
WORDS = [*SPECIALS, *(f"word{number}" for number in range(200)), *(word for word, _ in SAID)]
SHAPE = {
    "vocab_size": len(WORDS),
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 66,
    "id2label": {0: "Positive", 1: "negative", 2: "neutral"},
    "label2id": {"Positive": 0, "negative": 1, "neutral": 2},
    "pad_token_id": 0,
    "initializer_range": 0.25,
}
FAMILIES = {
    "bert": {},
    "roberta": {},
    "distilbert": {"dim": 64, "hidden_dim": 128, "n_layers": 3, "n_heads": 4},
    "electra": {"embedding_size": 32},
    "mpnet": {},
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 16,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "type_vocab_size": 0,
        "position_biased_input": False,
    },
}


def texts(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS[4:204], rng.integers(1, 40))) for _ in range(count)]


def save_checkpoint(family: str, directory: Path, **changes: object) -> Path:
    """A small model with random weights, large enough to tell texts apart."""
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    torch.manual_seed(3)
    config = transformers.AutoConfig.for_model(family, **(SHAPE | FAMILIES.get(family, {}) | changes))
    transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(directory)
    fast.save_pretrained(directory)
    return directory


def spoil_int8(checkpoint: Path, *layers: int) -> None:
    """Give a BERT's feed-forward layers one weight per channel that decides nothing and leaves int8 no room for others.

    It multiplies an input that always is 1, and the bias takes away what it adds.
    """
    model = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint)
    with torch.no_grad():
        for index in layers:
            layer = model.bert.encoder.layer[index]
            layer.attention.output.LayerNorm.weight[7] = 0
            layer.attention.output.LayerNorm.bias[7] = 1
            layer.intermediate.dense.bias += layer.intermediate.dense.weight[:, 7] - 300
            layer.intermediate.dense.weight[:, 7] = 300
            layer.output.dense.weight *= 4  # so that what these layers lose is missed
    model.save_pretrained(checkpoint)


def learning_stack(folder: Path, **settings: object) -> RunningStack:
    """Its champion has random weights; in its base data two words decide, so a training makes it better in seconds."""
    champion = save_checkpoint("bert", folder / "champion")
    return RunningStack(
        folder / "home",
        without=("flower", "mlflow"),
        first_model=champion,
        base_model=champion,
        training_data=write_toy(folder / "base.csv", 3000, seed=1),
        min_test_rows=100,
        max_slowdown=100,  # models as small as these take no time that could be measured
        scoring_threads=1,
        **settings,
    )
