"""The GPU back end, on a CUDA device where there is one and on CPU tensors elsewhere."""

import json
import logging
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from overheard import demo
from overheard.errors import BundleError, ScoringFailed
from overheard.scoring.batcher import Batcher, Lane
from overheard.scoring.bundle import write_manifest
from overheard.scoring.gpu import device
from overheard.scoring.load import load_engine
from overheard.scoring.onnx import OnnxEngine
from overheard.settings import Settings

torch = pytest.importorskip("torch", reason="training is not installed")
pytest.importorskip("transformers", reason="training is not installed")

from overheard.scoring.gpu import attention, models  # noqa: E402
from overheard.scoring.gpu.engine import TorchEngine  # noqa: E402
from overheard.scoring.gpu.models import Encoder, Foreign, Packed  # noqa: E402
from overheard.scoring.gpu.packing import pack, recorded_shape  # noqa: E402
from tests.stack import OVERHEARD  # noqa: E402
from tests.unit.test_export import probabilities, save_checkpoint, texts  # noqa: E402

STARTER = Path(__file__).parents[2] / "overheard" / "starter"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
MAX_TOKENS = 32
POSTS = [post.text for post in demo.posts()[::8]]
SHAPES = {
    "bert": {},
    "roberta": {"hidden_act": "gelu_new"},
    "xlm-roberta": {"type_vocab_size": 1},
    "camembert": {"num_hidden_layers": 1},
    "distilbert": {"dim": 64, "hidden_dim": 128, "n_layers": 2, "n_heads": 4},
}


def bundle_of(checkpoint: Path, out: Path) -> Path:
    """A bundle with float weights: all that this back end reads. The ONNX file, which it does not read, is empty."""
    out.mkdir()
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        shutil.copy(checkpoint / name, out)
    (out / "model.onnx").touch()
    labels = ("positive", "negative", "neutral")
    facts = {"name": "small", "base": "random", "max_tokens": MAX_TOKENS, "labels": labels, "temperature": 1}
    write_manifest(out, facts | {"quantisation": "none", "created": datetime.now(UTC)})
    return out


class Cramped(TorchEngine):
    """A device whose memory holds `room` tokens."""

    room = 64

    def compute(self, texts: Packed) -> "torch.Tensor":
        if len(texts.ids) > self.room:
            raise torch.OutOfMemoryError(f"{len(texts.ids)} tokens")
        return super().compute(texts)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other make small models slow on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=SHAPES)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(
        request.param, tmp_path_factory.mktemp(request.param) / "checkpoint", **SHAPES[request.param]
    )


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("small")
    return bundle_of(save_checkpoint("roberta", directory / "checkpoint"), directory / "bundle")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models") / "cache"


@pytest.fixture(scope="module")
def precise(cache: Path) -> TorchEngine:
    return TorchEngine(STARTER, cache, DEVICE, torch.float32)


def test_it_computes_what_transformers_computes(checkpoint: Path, tmp_path: Path) -> None:
    engine = TorchEngine(bundle_of(checkpoint, tmp_path / "bundle"), tmp_path / "unused", DEVICE, torch.float32)
    samples = texts(25, seed=2)
    expected = probabilities(checkpoint, engine, samples)
    assert expected.std(axis=0).max() > 0.1  # it tells texts apart
    assert np.abs(engine.score(samples) - expected).max() < 1e-5
    assert isinstance(engine.model, Foreign if "distil" in checkpoint.parent.name else Encoder)
    assert not (tmp_path / "unused").exists()


def test_it_agrees_with_the_cpu_engine_as_far_as_eight_bits_can(precise: TorchEngine) -> None:
    served = OnnxEngine(STARTER, threads=1).score(POSTS)
    scores = precise.score(POSTS)
    assert precise.version == OnnxEngine(STARTER, threads=1).version
    assert np.abs(scores - served).mean() < 0.01
    assert np.abs(scores - served).max() < 0.04
    assert (scores.argmax(axis=1) == served.argmax(axis=1)).mean() > 0.97


def test_bf16_stays_within_a_hundredth_of_float32(precise: TorchEngine, cache: Path) -> None:
    engine = TorchEngine(STARTER, cache, DEVICE)
    assert np.abs(engine.score(POSTS) - precise.score(POSTS)).max() < 0.01


def test_scores_come_in_the_order_of_the_texts_whatever_their_company(small: Path, cache: Path) -> None:
    engine = TorchEngine(small, cache, DEVICE, torch.float32)
    samples = [*texts(20, seed=4), "", "word1 " * 500, *texts(20, seed=5)]
    one_by_one = np.concatenate([engine.score([text]) for text in samples])
    assert np.abs(engine.score(samples) - one_by_one).max() < 1e-5
    assert engine.score([]).shape == (0, 3)


def test_more_texts_than_are_tokenised_at_a_time(small: Path, cache: Path) -> None:
    engine = TorchEngine(small, cache, DEVICE, torch.float32)
    samples = texts(300, seed=6)
    many = engine.score(samples * 15)
    assert np.abs(many - np.tile(engine.score(samples), (15, 1))).max() < 1e-5


def test_the_batcher_gives_each_caller_its_own_answers(small: Path, cache: Path) -> None:
    engine = TorchEngine(small, cache, DEVICE, torch.float32)
    batcher = Batcher(engine)
    calls = [texts(1 + number % 9, seed=number) for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda call: batcher.submit(call, Lane.interactive).result(60), calls))
    batcher.close()
    for call, answer in zip(calls, answers, strict=True):
        assert np.abs(engine.score(call) - answer).max() < 1e-5


def test_what_fills_a_recorded_shape_changes_nothing(small: Path, cache: Path) -> None:
    engine = TorchEngine(small, cache, DEVICE, torch.float32)
    batch = engine.encode(texts(9, seed=7))
    shape = recorded_shape(sum(map(len, batch)), len(batch), MAX_TOKENS)
    assert shape
    assert shape.tokens > sum(map(len, batch))
    words = torch.from_numpy(pack(batch, shape, engine.model.first_position, MAX_TOKENS)).to(DEVICE)
    with torch.inference_mode():
        logits = engine.model(Packed.split(words, shape, MAX_TOKENS))[: len(batch)].cpu()
    filled = logits.softmax(dim=1).numpy()[:, [1, 2, 0]]
    assert np.abs(filled - engine.forward(batch)).max() < 1e-5


def test_torch_takes_the_packed_attention_as_it_is_called(small: Path) -> None:
    """On tensors without memory, so that its shapes and arguments are checked where no device is."""
    config = json.loads((small / "config.json").read_text())
    model = models.load(small, config, torch.device("meta"), torch.bfloat16)
    assert isinstance(model, Encoder)
    model.attend = attention.packed
    shape = recorded_shape(100, 5, MAX_TOKENS)
    assert shape
    logits = model(Packed.split(torch.empty(shape.size, dtype=torch.int32, device="meta"), shape, MAX_TOKENS))
    assert (logits.shape, logits.dtype) == ((shape.texts, 3), torch.float32)


def test_a_pass_that_does_not_fit_is_answered_by_smaller_ones(
    small: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Cramped(small, cache, DEVICE, torch.float32)
    samples = texts(80, seed=8)
    expected = TorchEngine(small, cache, DEVICE, torch.float32).score(samples)
    with caplog.at_level(logging.WARNING):
        assert np.abs(engine.score(samples) - expected).max() < 1e-5
    assert engine.token_budget <= Cramped.room
    warnings = len(caplog.records)
    assert 1 <= warnings <= 6, "each halves what is tried"
    engine.score(samples)
    assert len(caplog.records) == warnings, "by now passes are planned to fit"


def test_a_text_that_never_fits_fails_alone(small: Path, cache: Path) -> None:
    engine = Cramped(small, cache, DEVICE, torch.float32)
    engine.room = 12
    batcher = Batcher(engine)
    answers = [batcher.submit([text], Lane.bulk) for text in ("word1 word2", "word3 " * 30, "word4 word5")]
    assert [answers[place].result(60).shape for place in (0, 2)] == [(1, 3), (1, 3)]
    with pytest.raises(ScoringFailed, match="32 tokens"):
        answers[1].result(60)
    batcher.close()


def test_weights_are_rebuilt_once_and_whole(precise: TorchEngine, cache: Path) -> None:
    rebuilt = cache / f"{precise.version}-float"
    assert [path.name for path in cache.iterdir()] == [rebuilt.name]
    before = {path.name: path.stat().st_mtime_ns for path in rebuilt.iterdir()}
    assert before.keys() >= {"model.safetensors", "config.json"}
    TorchEngine(STARTER, cache, DEVICE, torch.float32)
    assert {path.name: path.stat().st_mtime_ns for path in rebuilt.iterdir()} == before


def test_workers_that_start_together_rebuild_to_one_folder(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        engines = list(pool.map(lambda _: TorchEngine(STARTER, tmp_path / "cache", DEVICE, torch.float32), range(2)))
    assert np.array_equal(*(engine.score(POSTS[:3]) for engine in engines))
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [f"{engines[0].version}-float"]


def test_weights_that_are_none_are_refused(small: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(small, tmp_path / "bundle"))
    (bundle / "model.safetensors").write_bytes(b"none")
    with pytest.raises(BundleError, match="has 4 bytes"):
        TorchEngine(bundle, tmp_path / "unused", DEVICE)
    facts = {"name": "small", "base": "random", "max_tokens": MAX_TOKENS, "temperature": 1}
    write_manifest(bundle, facts | {"quantisation": "none", "created": datetime.now(UTC)})
    with pytest.raises(BundleError, match="can't be loaded"):
        TorchEngine(bundle, tmp_path / "unused", DEVICE)


def settings(home: Path, device_name: str) -> Settings:
    return Settings.load(home=home, device=device_name, scoring_threads=1)


def test_the_cpu_is_taken_when_asked_for(tmp_path: Path) -> None:
    assert isinstance(load_engine(STARTER, settings(tmp_path, "cpu")), OnnxEngine)


def test_auto_takes_the_device_that_can_be_used(tmp_path: Path) -> None:
    engine = load_engine(STARTER, settings(tmp_path, "auto"))
    assert isinstance(engine, TorchEngine if not device.why_not() else OnnxEngine)


def test_cuda_without_a_device_says_what_to_do(tmp_path: Path) -> None:
    environment = settings(tmp_path, "cuda").environment(CUDA_VISIBLE_DEVICES="")
    command = [OVERHEARD, "score", "--here", "What a day"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert re.search("OVERHEARD_DEVICE is cuda: .*(install|must list one).*OVERHEARD_DEVICE=cpu", one_line(done.stderr))


def one_line(text: str) -> str:
    return " ".join(text.split())
