"""How fast the GPU back end is by itself: no HTTP, no queue.

    python -m bench.gpu --data posts.parquet --json gpu.json

For the starter and for a model of RoBERTa-base's size (random weights, a tokenizer trained on the texts: speed depends
on neither): `score` with all that it does, the passes alone for several budgets, and how long a pass takes for one
message and for 32. `--compile` adds the passes with torch.compile. Without a CUDA device the same code runs on CPU
tensors in float32, where the figures say nothing: take few messages. Needs the extra `train`.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from overheard import demo
from overheard.registry import locate
from overheard.rows import open_rows
from overheard.scoring.batches import plan
from overheard.scoring.bundle import LABELS, write_manifest
from overheard.scoring.engine import Tokens
from overheard.scoring.gpu.engine import TorchEngine
from overheard.scoring.onnx import OnnxEngine
from overheard.scoring.text import clean
from overheard.settings import Settings

BUDGETS = (8_192, 16_384, 32_768, 65_536, 131_072)
SHARES = {"p50": 50, "p95": 95, "p99": 99}
COMPARED = 200
ROUNDS = 200


def main() -> None:
    options = _options()
    console = Console(stderr=True, highlight=False)
    texts = _texts(options.data, options.text_column, options.messages)
    with tempfile.TemporaryDirectory(prefix="overheard-bench-") as folder:
        bundles = {
            "starter": locate("starter", Settings.load().models),
            "RoBERTa-base size": _roberta(Path(folder), texts[:20_000]),
        }
        report: dict[str, Any] = {"device": _device(options.device), "torch": version("torch"), "texts": len(texts)}
        report["models"] = {}
        for name, bundle in bundles.items():
            console.print(f"{name}: loading")
            began_at = time.monotonic()
            dtype = torch.bfloat16 if options.device == "cuda" else torch.float32
            engine = TorchEngine(bundle, Path(folder) / "models", options.device, dtype)
            facts = {"load_s": round(time.monotonic() - began_at, 2), **_measure(engine, texts, console)}
            if options.compile:
                engine.model.layer = torch.compile(engine.model.layer, dynamic=True)
                facts["passes_compiled"] = _passes(engine, engine.encode(texts), engine.token_budget)
            if name == "starter":
                facts["beside_the_cpu_engine"] = _compare(engine, OnnxEngine(bundle, 0), texts[:COMPARED])
            report["models"][name] = facts
    _print(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=(__doc__ or "").splitlines()[0])
    there_is_one = torch.cuda.is_available()
    parser.add_argument("--data", type=Path, help="CSV, JSONL or Parquet; without it the demo posts are used")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--messages", type=int, default=500_000 if there_is_one else 200)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda" if there_is_one else "cpu")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile, too; it takes minutes")
    parser.add_argument("--json", type=Path, help="write the numbers here, too")
    return parser.parse_args()


def _texts(data: Path | None, column: str, count: int) -> list[str]:
    """No text twice: what is repeated gets a number."""
    if data is None:
        found = [post.text for post in demo.posts()]
    else:
        found = [
            text for chunk in open_rows(data).chunks([column]) for text in chunk.column(column).to_pylist() if text
        ]
    repeated = islice(cycle(found), count)
    return [text if number < len(found) else f"{text} {number}" for number, text in enumerate(repeated)]


def _device(name: str) -> str:
    return torch.cuda.get_device_name() if name == "cuda" else f"CPU tensors, {torch.get_num_threads()} threads"


def _roberta(folder: Path, texts: Sequence[str]) -> Path:
    """A bundle with float weights and an empty ONNX file, which this back end does not read."""
    bundle = folder / "roberta"
    torch.manual_seed(0)
    config = transformers.RobertaConfig(
        vocab_size=50_265, max_position_embeddings=514, type_vocab_size=1, num_labels=len(LABELS)
    )
    transformers.RobertaForSequenceClassification(config).save_pretrained(bundle)
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=config.vocab_size, special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator([clean(text) for text in texts], trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.save(str(bundle / "tokenizer.json"))
    (bundle / "model.onnx").touch()
    facts = {"name": "roberta-base-size", "base": "random weights", "max_tokens": 128, "temperature": 1.0}
    write_manifest(bundle, facts | {"quantisation": "none", "created": datetime.now(UTC)})
    return bundle


def _measure(engine: TorchEngine, texts: Sequence[str], console: Console) -> dict[str, Any]:
    engine.score(texts[: len(texts) // 10])
    console.print("  score, all of it")
    facts: dict[str, Any] = {"score": _rate(len(texts), lambda: engine.score(texts))}
    console.print("  tokenising alone, passes alone")
    began_at = time.monotonic()
    encoded = engine.encode(texts)
    facts["tokenising"] = round(len(texts) / (time.monotonic() - began_at))
    facts["tokens_per_text"] = round(float(np.mean([len(tokens) for tokens in encoded])), 1)
    is_gpu = engine.device.type == "cuda"
    budgets = BUDGETS if is_gpu else (engine.token_budget,)
    facts["passes"] = {str(budget): _passes(engine, encoded, budget) for budget in budgets}
    facts["one_message_ms"] = _latencies(engine, encoded, 1, ROUNDS if is_gpu else 5)
    facts["32_messages_ms"] = _latencies(engine, encoded, 32, ROUNDS if is_gpu else 2)
    return facts


def _passes(engine: TorchEngine, encoded: Sequence[Tokens], budget: int) -> int:
    """Messages per second of the passes, `engine.depth` of them under way."""
    batches = [[encoded[i] for i in rows] for rows in plan([len(tokens) for tokens in encoded], budget)]
    kept, engine._token_budget = engine._token_budget, budget
    for batch in batches[:: max(1, len(batches) // 3)]:
        engine.forward(batch)
    rate = _rate(len(encoded), lambda: deque(_in_flight(engine, batches), maxlen=0))
    engine._token_budget = kept
    return rate


def _in_flight(engine: TorchEngine, batches: Sequence[Sequence[Tokens]]) -> Iterator[Any]:
    under_way: deque[Callable[[], Any]] = deque()
    for batch in batches:
        under_way.append(engine.start(batch))
        if len(under_way) == engine.depth:
            yield under_way.popleft()()
    for result in under_way:
        yield result()


def _rate(messages: int, work: Callable[[], object]) -> int:
    began_at = time.monotonic()
    work()
    return round(messages / (time.monotonic() - began_at))


def _latencies(engine: TorchEngine, encoded: Sequence[Tokens], size: int, rounds: int) -> dict[str, float]:
    took_ms = []
    for number in range(rounds):
        batch = [encoded[(number * size + place) % len(encoded)] for place in range(size)]
        began_at = time.perf_counter()
        engine.forward(batch)
        took_ms.append((time.perf_counter() - began_at) * 1000)
    return {name: round(float(np.percentile(took_ms, share)), 2) for name, share in SHARES.items()}


def _compare(engine: TorchEngine, other: OnnxEngine, texts: Sequence[str]) -> dict[str, float]:
    here, there = engine.score(texts), other.score(texts)
    apart = np.abs(here - there)
    same = (here.argmax(axis=1) == there.argmax(axis=1)).mean()
    return {"mean": round(float(apart.mean()), 4), "max": round(float(apart.max()), 4), "same_label": round(same, 3)}


def _print(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(f"{report['device']}, torch {report['torch']}, {report['texts']:,} texts")
    table = Table("", *report["models"], box=None)
    for name in dict.fromkeys(name for facts in report["models"].values() for name in facts):
        table.add_row(name, *(_cell(facts.get(name, "")) for facts in report["models"].values()))
    console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{name}: {number:,}" for name, number in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
