"""What scores texts in one process: the one-by-one loop, transformers' pipeline, our engine, each in a child.

Every function works until its texts or its seconds are used up, and says how far it came.
"""

import faulthandler
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench import machine
from overheard.scoring.text import clean

PIPELINE_BATCH = 32
_loaded: dict[str, Any] = {}


@dataclass(frozen=True)
class Timed:
    """messages in seconds; cpu_s: of all threads."""

    messages: int
    seconds: float
    cpu_s: float


@contextmanager
def child() -> Iterator[ProcessPoolExecutor]:
    """A fresh process that keeps what is loaded into it; should a library crash it, it says where."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=faulthandler.enable) as pool:
        yield pool


def load_torch(checkpoint: Path, max_tokens: int) -> int:
    """For `loop` and `pipeline`: float32, as many threads as torch takes. Returns how many these are."""
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint, model_max_length=max_tokens)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint, dtype=torch.float32).eval()
    _loaded.update(tokenizer=tokenizer, model=model)
    _loaded["pipeline"] = transformers.pipeline(
        "text-classification", model=model, tokenizer=tokenizer, device="cpu", top_k=None, truncation=True
    )
    return int(torch.get_num_threads())


def loop(texts: Sequence[str], seconds: float) -> Timed:
    """What Overheard replaces: the model loaded once, then one text after the other."""
    import torch

    tokenizer, model = _loaded["tokenizer"], _loaded["model"]

    def scores() -> Iterator[int]:
        for text in texts:
            with torch.inference_mode():
                encoded = tokenizer(clean(text), truncation=True, return_tensors="pt")
                model(**encoded).logits.softmax(dim=1).tolist()
            yield 1

    return _timed(scores(), seconds)


def pipeline(texts: Sequence[str], seconds: float) -> Timed:
    """transformers' own batching, fed by a generator, so that it collates while it is asked for more."""
    answers = _loaded["pipeline"]((clean(text) for text in texts), batch_size=PIPELINE_BATCH)
    batches = iter(lambda: list(islice(answers, PIPELINE_BATCH)), [])  # the first of a batch comes when all are scored
    return _timed(map(len, batches), seconds)


def load_engine(bundle: str, threads: int) -> dict[str, Any]:
    """For what follows. Returns facts of the model."""
    from overheard.registry import locate
    from overheard.scoring.onnx import OnnxEngine
    from overheard.settings import Settings

    engine = _loaded["engine"] = OnnxEngine(locate(bundle, Settings.load().models), threads)
    return {
        "version": engine.version,
        "max_tokens": engine.manifest.max_tokens,
        "threads": threads or machine.cores(),
    }


def engine(texts: Sequence[str], seconds: float) -> Timed:
    """As the command line does: in pieces, sorted by length inside."""
    from overheard.client import PIECE

    pieces = (texts[start : start + PIECE] for start in range(0, len(texts), PIECE))
    return _timed((len(_loaded["engine"].score(piece)) for piece in pieces), seconds)


def mean_tokens(texts: Sequence[str]) -> float:
    return sum(map(len, _loaded["engine"].encode(texts))) / len(texts)


def single_passes_ms(texts: Sequence[str], seconds: float) -> list[float]:
    """The bare forward pass of one message after the other, already tokenised."""
    engine = _loaded["engine"]
    return _each_ms([[tokens] for tokens in engine.encode(texts)], seconds)


def full_passes_ms(texts: Sequence[str], seconds: float) -> list[float]:
    """Forward passes as large as a bulk job's: an interactive message may have to wait for one."""
    from overheard.scoring.batches import plan
    from overheard.scoring.engine import TOKEN_BUDGET

    encoded = _loaded["engine"].encode(texts)
    batches = plan([len(tokens) for tokens in encoded], TOKEN_BUDGET)
    return _each_ms([[encoded[index] for index in batch] for batch in batches], seconds)


def _each_ms(batches: Sequence[Any], seconds: float) -> list[float]:
    until, took_ms = time.monotonic() + seconds, []
    for batch in batches:
        began_at = time.perf_counter()
        _loaded["engine"].forward(batch)
        took_ms.append(1000 * (time.perf_counter() - began_at))
        if time.monotonic() >= until:
            break
    return took_ms


def _timed(steps: Iterator[int], seconds: float) -> Timed:
    began_at, began_cpu_s = time.monotonic(), time.process_time()
    messages = 0
    for count in steps:
        messages += count
        if time.monotonic() - began_at >= seconds:
            break
    return Timed(messages, time.monotonic() - began_at, time.process_time() - began_cpu_s)
