"""The models of the bench, each as a checkpoint for torch and a bundle for the stack. Needs the extra `train`.

    python -m bench.models FOLDER --data posts.parquet

writes them to a folder, for another server that is to serve the same weights.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.texts import read

ROBERTA_VOCABULARY = 50_265
CALIBRATION_TEXTS = 64  # of random weights: what the ranges are makes no difference to the speed
MAX_TOKENS = 128
TRAINING_TEXTS = 20_000  # of the tokenizer
SMALL = {"num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4}
STARTER, ROBERTA = "starter", "RoBERTa-base size"


@dataclass(frozen=True)
class Model:
    """checkpoint: what transformers loads; bundle: what OVERHEARD_FIRST_MODEL names."""

    name: str
    checkpoint: Path
    bundle: str


def starter(folder: Path) -> Model:
    """The bundled model; its float32 weights are those that its int8 ones stand for."""
    import transformers

    from overheard.registry import locate
    from overheard.settings import Settings
    from overheard.training.dequantise import dequantise

    transformers.utils.logging.disable_progress_bar()
    dequantise(locate("starter", Settings.load().models), folder / "starter")
    return Model(STARTER, folder / "starter", "starter")


def roberta(folder: Path, texts: Sequence[str], small: bool = False) -> Model:
    """RoBERTa-base's size (125 M) with random weights and a byte-level BPE trained on `texts`.

    Speed depends on the shape and on how many tokens a text has, not on what the weights are. `small`: two narrow
    layers under another name, to see that the bench works.
    """
    import torch
    import transformers

    from overheard.scoring.bundle import LABELS
    from overheard.training.export import export_bundle

    transformers.utils.logging.disable_progress_bar()
    checkpoint, bundle = folder / "roberta", folder / "roberta-bundle"
    torch.manual_seed(0)
    shape = SMALL if small else {}
    config = transformers.RobertaConfig(
        **shape,  # type: ignore[arg-type]
        vocab_size=ROBERTA_VOCABULARY,
        max_position_embeddings=514,
        type_vocab_size=1,
        id2label=dict(enumerate(LABELS)),
        label2id={label: place for place, label in enumerate(LABELS)},
    )
    transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(checkpoint)
    _tokenizer(texts).save_pretrained(checkpoint)
    export_bundle(
        checkpoint,
        bundle,
        calibration=texts[:CALIBRATION_TEXTS],
        name="roberta-base-size",
        base="random weights",
        max_tokens=MAX_TOKENS,
    )
    return Model("RoBERTa, two small layers" if small else ROBERTA, checkpoint, str(bundle))


def _tokenizer(texts: Sequence[str]) -> Any:
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    from overheard.scoring.text import clean

    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=ROBERTA_VOCABULARY, min_frequency=2, special_tokens=specials, initial_alphabet=alphabet
    )
    tokenizer.train_from_iterator((clean(text) for text in texts), trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=512,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.models", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, help="CSV, JSONL or Parquet; without it the demo posts are used")
    parser.add_argument("--text-column", default="text")
    options = parser.parse_args()
    texts = read(options.data, options.text_column, seed=0)
    for model in (starter(options.folder), roberta(options.folder, texts.draw(0, TRAINING_TEXTS))):
        print(f"{model.name}: {model.checkpoint}")


if __name__ == "__main__":
    main()
