"""One fine-tuning of an encoder on labelled rows: the starter's, and what the weekly learning loop repeats.

Importing this costs torch and transformers: import it where the training is, not where it is asked for.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments

from overheard.scoring.bundle import LABELS
from overheard.scoring.engine import Floats
from overheard.scoring.text import clean
from overheard.training.average import Kept, WeightAverage
from overheard.training.batches import Collator, SimilarLengths
from overheard.training.data import Rows
from overheard.training.recipe import Recipe
from overheard.training.replay import Replay, log_prior, targets


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuned model and what making it was like."""

    directory: Path
    train_loss: float
    steps: int
    seconds: float
    rows_per_s: float


def finetune(
    base: str,
    rows: Rows,
    out: Path,
    recipe: Recipe,
    on_progress: Callable[[float], None] = lambda share: None,
    *,
    replay: Replay | None = None,
) -> FineTuned:
    """Fine-tune `base` (a directory or a Hub id) on `rows`; write safetensors, tokenizer and config to `out`.

    on_progress: told the share of steps done, about a hundred times; what it raises ends the training.
    replay: what the base should go on answering, learned beside the rows.
    Runs on a CUDA device when there is one, in bf16 where the machine computes in it. Equal inputs on equal
    machines give equal weights; the global random state is reset on the way.
    Methods: logit adjustment, Menon et al., ICLR 2021; averaged weights, Polyak & Juditsky, SIAM J. Control 30 (1992);
    layer-wise rates, Howard & Ruder, ACL 2018; weights mixed with the base's, Wortsman et al., CVPR 2022.
    """
    transformers.set_seed(recipe.seed)
    model, tokenizer = _load(base)
    _prepare(model, recipe)
    kept = Kept(model, recipe.kept_share)
    texts = [clean(text) for text in (*rows.texts * recipe.fresh_passes, *(replay.texts if replay else ()))]
    ids = tokenizer(texts, truncation=True, max_length=recipe.max_tokens)["input_ids"]
    adjustment = log_prior(rows, recipe.prior_shift)
    learned = targets(rows.labels * recipe.fresh_passes, recipe.label_smoothing, replay, adjustment).tolist()
    examples = [{"input_ids": tokens, "labels": target} for tokens, target in zip(ids, learned, strict=True)]
    average = WeightAverage(recipe.average_decay)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        trainer = _Trainer(
            model=model,
            args=_arguments(scratch, recipe),
            train_dataset=examples,
            data_collator=Collator(tokenizer, recipe.word_dropout),
            compute_loss_func=_loss(adjustment),
            optimizers=(_optimizer(model, recipe), None),
            callbacks=[average, _Progress(on_progress)],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.sampler = SimilarLengths([len(tokens) for tokens in ids], recipe.batch_size, recipe.seed)
        result = trainer.train()
    seconds = time.monotonic() - started
    kept.mix_into(model)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return FineTuned(out, result.training_loss, result.global_step, seconds, len(examples) * recipe.epochs / seconds)


class _Trainer(transformers.Trainer):
    """The library's own grouping keeps batches in order of length, so its last steps would see short texts only."""

    sampler: SimilarLengths

    def _get_train_sampler(self, train_dataset: object = None) -> SimilarLengths:
        return self.sampler


class _Progress(transformers.TrainerCallback):
    def __init__(self, on_progress: Callable[[float], None]) -> None:
        self._on_progress = on_progress

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        every = max(1, state.max_steps // 100)
        if state.global_step % every == 0 or state.global_step == state.max_steps:
            self._on_progress(state.global_step / state.max_steps)


def _load(base: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # a new head on a bare encoder is what is wanted, not a warning
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        base,
        id2label=dict(enumerate(LABELS)),
        label2id={name: label for label, name in enumerate(LABELS)},
        attn_implementation="eager",  # with dropout the fused kernels are slower on a CPU
        use_safetensors=True,
    )
    return model, tokenizer


def _prepare(model: PreTrainedModel, recipe: Recipe) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = recipe.dropout
    if recipe.freezes_words:
        model.get_input_embeddings().requires_grad_(False)


def _arguments(scratch: str, recipe: Recipe) -> TrainingArguments:
    on_cpu = not torch.cuda.is_available()
    return TrainingArguments(
        output_dir=scratch,
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        lr_scheduler_type="linear",
        warmup_steps=recipe.warmup_share,
        max_grad_norm=1.0,
        bf16=_computes_bf16(on_cpu),
        use_cpu=on_cpu,
        dataloader_pin_memory=not on_cpu,
        seed=recipe.seed,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
    )


def _computes_bf16(on_cpu: bool) -> bool:
    """Whether bf16 is an arithmetic here rather than an emulation."""
    if on_cpu:
        return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _optimizer(model: PreTrainedModel, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW whose rates fall from the head down, and which leaves biases and norms undecayed."""
    depth = model.config.num_hidden_layers
    groups: dict[tuple[int, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((_height(name, depth), parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": recipe.learning_rate * recipe.layer_decay ** (depth + 1 - height),
                "weight_decay": recipe.weight_decay * decays,
            }
            for (height, decays), parameters in groups.items()
        ],
        betas=(0.9, 0.98),
        fused=True,
    )


def _height(name: str, depth: int) -> int:
    """0 for embeddings, 1 to `depth` for the encoder's layers, one more for what stands on top."""
    if ".embeddings." in name:
        return 0
    _, found, after = name.partition(".layer.")
    return int(after.partition(".")[0]) + 1 if found else depth + 1


def _loss(adjustment: Floats) -> Callable[..., torch.Tensor]:
    added = torch.from_numpy(adjustment)

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: int | None = None) -> torch.Tensor:
        logits = outputs["logits"].float() + added.to(labels.device)
        return torch.nn.functional.cross_entropy(logits, labels)

    return loss
