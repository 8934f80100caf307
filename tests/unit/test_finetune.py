import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from overheard.training.data import Rows
from overheard.training.recipe import Recipe

transformers = pytest.importorskip("transformers", reason="training is not installed")
pytest.importorskip("torch", reason="training is not installed")

MOODS = (("awful", "broken", "rude"), ("parcel", "tuesday", "street"), ("lovely", "superb", "kind"))
FILLERS = ("the", "a", "phone", "is", "was", "here", "shop")
RECIPE = Recipe(epochs=24, batch_size=16, learning_rate=3e-3, average_decay=0.9, max_tokens=16, seed=1)


def toy_rows(count: int, seed: int) -> Rows:
    """One word decides each row; the rest says nothing."""
    rng = random.Random(seed)
    labels = tuple(i % 3 for i in range(count))
    texts = tuple(" ".join([*rng.choices(FILLERS, k=rng.randint(1, 8)), rng.choice(MOODS[i])]) for i in labels)
    return Rows(texts, labels)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny BERT with random weights."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *FILLERS, *(word for mood in MOODS for word in mood)]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    directory = tmp_path_factory.mktemp("base")
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
        max_position_embeddings=32,
        initializer_range=0.2,
    )
    transformers.set_seed(0)
    transformers.BertModel(config).save_pretrained(directory)
    return str(directory)


def predict(directory: Path, rows: Rows) -> np.ndarray:
    import torch

    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(directory).eval()
    with torch.no_grad():
        logits = model(**tokenizer(list(rows.texts), padding=True, return_tensors="pt")).logits
    return logits.numpy()


def test_a_model_learns_which_words_decide(base: str, tmp_path: Path) -> None:
    from overheard.training.finetune import finetune

    unseen, shares = toy_rows(60, seed=2), list[float]()

    result = finetune(base, toy_rows(102, seed=1), tmp_path, RECIPE, shares.append)

    assert (predict(tmp_path, unseen).argmax(axis=1) == unseen.labels).mean() > 0.95
    assert transformers.AutoConfig.from_pretrained(tmp_path).id2label == {0: "negative", 1: "neutral", 2: "positive"}
    assert (tmp_path / "model.safetensors").is_file()
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert result.steps == 24 * 7


def test_the_same_seed_gives_the_same_model(base: str, tmp_path: Path) -> None:
    from overheard.training.finetune import finetune

    rows, recipe = toy_rows(63, seed=1), Recipe(epochs=1, batch_size=8, word_dropout=0.2)

    first, second = (finetune(base, rows, tmp_path / name, recipe).directory for name in ("a", "b"))

    np.testing.assert_array_equal(predict(first, rows), predict(second, rows))


def test_a_rare_class_is_found_more_often_with_a_shifted_prior(base: str, tmp_path: Path) -> None:
    from overheard.training.finetune import finetune

    noise = random.Random(0)
    labels = tuple(noise.choices((0, 1, 2), weights=(1, 5, 4), k=200))
    rows = Rows(tuple("the phone is here" for _ in labels), labels)  # the text says nothing: only the prior is learned

    recipe = Recipe(epochs=6, learning_rate=3e-3)
    plain = finetune(base, rows, tmp_path / "plain", recipe).directory
    shifted = finetune(base, rows, tmp_path / "shifted", replace(recipe, prior_shift=1.0)).directory

    gap, level = (np.ptp(predict(directory, rows).mean(axis=0)) for directory in (plain, shifted))
    assert gap > 1.0
    assert level < 0.5


def test_progress_can_stop_the_training(base: str, tmp_path: Path) -> None:
    from overheard.training.finetune import finetune

    class Cancelled(Exception):
        pass

    def cancel(share: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        finetune(base, toy_rows(60, seed=1), tmp_path / "out", RECIPE, cancel)

    assert not (tmp_path / "out").exists()
