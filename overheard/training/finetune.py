"""One fine-tuning of an encoder on labelled rows: the starter's, and what the weekly learning loop repeats.

Importing this costs torch and transformers: import it where the training is, not where it is asked for.
"""

import math
import tempfile
import time
from collections.abc import Callable, MutableSequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments

from overheard.scoring.engine import Floats
from overheard.training.average import Kept, WeightAverage
from overheard.training.base import open_base
from overheard.training.batches import Collator, Encoded, Learned, SimilarLengths, WordDropout
from overheard.training.data import Rows
from overheard.training.failures import told_plainly
from overheard.training.predict import encode
from overheard.training.progress import Progress, Reporter
from overheard.training.recipe import Recipe
from overheard.training.replay import Replay, log_prior, targets
from overheard.training.resume import SAVE_EVERY_S, Checkpoints, identify
from overheard.training.validation import Judgement, Validation
from overheard.training.whole import written_whole


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuned model and what making it was like.

    steps, epochs: what it took, a killed process's share included; train_loss, seconds and rows_per_s: of this process.
    max_tokens: texts were cut here, as the recipe says or where the base has no more positions. judgements: on the
    validation rows, in their order; the weights are those of `best`.
    """

    directory: Path
    train_loss: float
    steps: int
    epochs: float
    seconds: float
    rows_per_s: float
    max_tokens: int
    judgements: tuple[Judgement, ...]
    best: Judgement | None


def finetune(
    base: str,
    rows: Rows,
    out: Path,
    recipe: Recipe,
    *,
    validation: Rows | None = None,
    replay: Replay | None = None,
    checkpoints: Path | None = None,
    on_step: Callable[[Progress], None] = lambda progress: None,
    save_every_s: float = SAVE_EVERY_S,
) -> FineTuned:
    """Fine-tune `base` on `rows`; write safetensors, tokenizer and config to `out`: whole or not at all.

    base: the directory of a checkpoint or of a bundle, or a Hub id. validation: rows to judge on while training; the
    weights that were best by macro-recall are written, and training stops when better ones no longer come.
    replay: what the base should go on answering, learned beside the rows.
    checkpoints: a folder of this training's own, which its owner removes. Whoever calls this again after a kill goes on
    from what was saved there last, and ends with the weights that an undisturbed training ends with. on_step: called
    after each optimisation step, and while judging after each forward pass; what it raises ends the training there.
    save_every_s: seconds from one save to the next; 0: at each step.

    Runs on a CUDA device when there is one, in bf16 where the machine computes in it; on a CPU with the threads that
    torch takes: one per core, or OMP_NUM_THREADS. Equal inputs on equal machines give equal weights; the global random
    state is reset on the way. Raises BundleError when the base can't be used, NoRoom and NoMemory.
    Methods: logit adjustment, Menon et al., ICLR 2021; averaged weights, Polyak & Juditsky, SIAM J. Control 30 (1992);
    layer-wise rates, Howard & Ruder, ACL 2018; weights mixed with the base's, Wortsman et al., CVPR 2022.
    """
    started = time.monotonic()
    with told_plainly(base), ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="overheard-training-")))
        transformers.set_seed(recipe.seed)
        opened = open_base(base, scratch)
        model, tokenizer = opened.model, opened.tokenizer
        _prepare(model, recipe)
        kept = Kept(model, recipe.kept_share)
        max_tokens = min(recipe.max_tokens, opened.positions or recipe.max_tokens)
        adjustment = log_prior(rows, recipe.prior_shift)
        texts = (*rows.texts * recipe.fresh_passes, *(replay.texts if replay else ()))
        learned = Learned(
            encode(tokenizer, texts, max_tokens),
            targets(rows.labels * recipe.fresh_passes, recipe.label_smoothing, replay, adjustment),
        )
        judged = Encoded.of(_drawn(validation, recipe), tokenizer, max_tokens) if validation else None

        history: list[Judgement] = []
        average, reporter = WeightAverage(recipe.average_decay), Reporter(on_step, history)
        judge, keeper = None, None
        if judged:
            every = max(1, math.ceil(len(texts) / recipe.batch_size) // recipe.judgements_per_epoch)
            judge = Validation(judged, tokenizer, average, history, every, recipe.patience, reporter.tell_again)
        if checkpoints:
            keeper = Checkpoints(checkpoints, identify(model, recipe, learned, judged), average, judge, save_every_s)
            stack.callback(keeper.tidy)
        trainer = _Trainer(
            losses=reporter.losses,
            word_dropout=WordDropout(tokenizer, recipe.word_dropout),
            sampler=SimilarLengths([len(ids) for ids in learned.tokens], recipe.batch_size, recipe.seed),
            model=model,
            args=_arguments(checkpoints or scratch, recipe),
            train_dataset=learned.examples(),
            data_collator=Collator(tokenizer),
            compute_loss_func=_loss(adjustment),
            optimizers=(_optimizer(model, recipe), None),
            callbacks=[callback for callback in (average, judge, keeper, reporter) if callback],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        result = trainer.train(resume_from_checkpoint=str(keeper.newest) if keeper and keeper.newest else None)
        kept.mix_into(model)
        _write(model, tokenizer, out)
    return FineTuned(
        directory=out,
        train_loss=result.training_loss,
        steps=result.global_step,
        epochs=round(result.global_step * recipe.batch_size / len(texts), 2),
        seconds=time.monotonic() - started,
        rows_per_s=result.metrics["train_samples_per_second"],
        max_tokens=max_tokens,
        judgements=tuple(history),
        best=judge.best if judge else None,
    )


class _Trainer(transformers.Trainer):
    """The library's own grouping keeps batches in order of length, so its last steps would see short texts only."""

    def __init__(
        self, losses: MutableSequence[float], word_dropout: WordDropout, sampler: SimilarLengths, **options: Any
    ) -> None:
        super().__init__(**options)
        self._losses, self._word_dropout, self._sampler = losses, word_dropout, sampler

    def _get_train_sampler(self, train_dataset: object = None) -> SimilarLengths:
        return self._sampler

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, torch.Tensor], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        inputs["input_ids"] = self._word_dropout(inputs["input_ids"])
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        self._losses.append(float(loss))  # the Trainer waits for the device to look for NaN, so this costs nothing
        return loss


def _drawn(validation: Rows, recipe: Recipe) -> Rows:
    """As many as are judged on, with the same shares of the classes."""
    return validation.split(min(1.0, recipe.validation_rows / len(validation)), recipe.seed)[1]


def _write(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, out: Path) -> None:
    with written_whole(out) as draft:
        model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)


def _prepare(model: PreTrainedModel, recipe: Recipe) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = recipe.dropout
    if recipe.freezes_words:
        model.get_input_embeddings().requires_grad_(False)


def _arguments(folder: Path, recipe: Recipe) -> TrainingArguments:
    on_cpu = not torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(folder),
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
