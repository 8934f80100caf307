"""The CPU back end: ONNX Runtime and `tokenizers`, nothing else."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from overheard.errors import BundleError
from overheard.scoring.bundle import LABELS, MODEL, TOKENIZER, load_manifest
from overheard.scoring.engine import Engine, Floats, Tokens, softmax
from overheard.scoring.text import clean


class OnnxEngine(Engine):
    """A bundle on `threads` CPU cores, 0 for all. Raises BundleError when it is damaged or can't be loaded.

    A pass is split into one part per core: parts never wait for each other, as the threads inside an operator would.
    """

    def __init__(self, directory: Path, threads: int) -> None:
        self.manifest = load_manifest(directory)
        self._columns = [self.manifest.labels.index(label) for label in LABELS]
        try:
            self._tokenizer = Tokenizer.from_file(str(directory / TOKENIZER))
            self._session = onnxruntime.InferenceSession(
                str(directory / MODEL),
                _options(is_exact=self.manifest.fits_16_bits or _has_vnni()),
                providers=["CPUExecutionProvider"],
                disabled_optimizers=["SkipLayerNormFusion"],  # the fused kernel takes seven times as long
            )
        except Exception as error:  # both libraries raise their own kinds, some of them bare Exception
            raise BundleError(directory, f"can't be loaded: {str(error).splitlines()[0]}") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.manifest.max_tokens)
        self._threads = threads or _cores()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="forward")

    @property
    def version(self) -> str:
        return self.manifest.version

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        encodings = self._tokenizer.encode_batch_fast([clean(text) for text in texts])
        return [encoding.ids for encoding in encodings]

    def forward(self, batch: Sequence[Tokens]) -> Floats:
        rows = -(-len(batch) // self._threads)
        parts = [batch[start : start + rows] for start in range(0, len(batch), rows)]
        run = self._pool.map if len(parts) > 1 else map
        logits = np.concatenate(list(run(self._logits, parts)))
        return softmax(logits[:, self._columns], self.manifest.temperature)

    def _logits(self, batch: Sequence[Tokens]) -> Floats:
        lengths = np.array([len(tokens) for tokens in batch], dtype=np.int32)
        ids = np.zeros((len(batch), lengths.max()), dtype=np.int32)
        for row, tokens in zip(ids, batch, strict=True):
            row[: len(tokens)] = tokens
        logits: Floats = self._session.run(["logits"], {"input_ids": ids, "lengths": lengths})[0]
        return logits


def _options(*, is_exact: bool) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # it would keep a plan for every shape of batch that ever came
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # the graph is quantised as it should be
    if not is_exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _has_vnni() -> bool:
    """Whether the CPU sums int8 products in 32 bits; without that, only slower kernels are exact for any weights."""
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
