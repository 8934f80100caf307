"""Makes the bundled model: `python -m overheard.training.starter --data FILE --base DIR_OR_HUB_ID --out DIR`.

Trains, quantises, calibrates on held-out rows and writes the bundle; with `--test`, measures it on other rows.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import typer

from overheard.errors import OverheardError
from overheard.evaluation import evaluate
from overheard.scoring.bundle import Manifest
from overheard.scoring.engine import Floats, softmax
from overheard.scoring.onnx import OnnxEngine
from overheard.training.calibration import fit_temperature, known
from overheard.training.copies import without_copies
from overheard.training.data import Rows, load_rows
from overheard.training.export import export_bundle
from overheard.training.finetune import finetune
from overheard.training.predict import predict_logits
from overheard.training.progress import Progress
from overheard.training.recipe import Recipe

HELD_OUT_SHARE: Final = 0.05
"""Of the rows: never trained on, they set the temperature."""

_CARD: Final = "README.md"
_THREADS: Final = 2


def make_starter(rows: Rows, test: Rows | None, base: str, weights: Path, out: Path, recipe: Recipe) -> Manifest:
    """Train on `rows` from `base`; write safetensors to `weights` and a measured bundle to `out`."""
    kept, _ = rows.split(HELD_OUT_SHARE, recipe.seed)
    finetune(base, kept, weights, recipe, on_step=_show)
    base_name = Path(base).name if Path(base).is_dir() else base
    return bundle_starter(rows, test, base_name, weights, out, recipe)


def bundle_starter(rows: Rows, test: Rows | None, base: str, weights: Path, out: Path, recipe: Recipe) -> Manifest:
    """Quantise and calibrate what was trained on `rows`, write the bundle to `out`; a card in there stays.

    The manifest's metrics: `held_out` rows and, with test rows, `test` after and `test_float` before quantisation;
    near copies of training rows are not counted.
    """
    kept, held_out = rows.split(HELD_OUT_SHARE, recipe.seed)
    facts: dict[str, Any] = {
        "calibration": kept.texts,
        "name": "starter",
        "base": base,
        "max_tokens": recipe.max_tokens,
        "data_hash": rows.content_hash(),
        "seed": recipe.seed,
    }
    with tempfile.TemporaryDirectory() as scratch:
        export_bundle(weights, Path(scratch) / "draft", **facts)
        engine = OnnxEngine(Path(scratch) / "draft", _THREADS)
        uncalibrated = np.log(engine.score(held_out.texts))
        temperature = fit_temperature(uncalibrated, np.array(held_out.labels), recipe.prior_shift)
        metrics: dict[str, Any] = {"recipe": asdict(recipe), "rows": len(kept)}
        metrics["held_out"] = _judge(uncalibrated, held_out, temperature)
        metrics |= known(softmax(uncalibrated, temperature), np.array(held_out.labels))
        if test:
            test = without_copies(test, rows)
            metrics["test"] = _judge(np.log(engine.score(test.texts)), test, temperature)
            before = predict_logits(weights, test.texts, recipe.max_tokens)
            metrics["test_float"] = _judge(before, test, temperature)
    card = (out / _CARD).read_bytes() if (out / _CARD).is_file() else b""
    manifest = export_bundle(weights, out, **facts, temperature=temperature, metrics=metrics)
    if card:
        (out / _CARD).write_bytes(card)
    return manifest


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns its exit status: 0, or 1 when something that it was given can't be used."""
    parser = argparse.ArgumentParser(prog="python -m overheard.training.starter", description=__doc__)
    parser.add_argument("--data", required=True, help="a file with text and label, or a Hub data set id[:config]")
    parser.add_argument("--years", type=_years, help="train on rows of these years only, as in 2013-2015")
    parser.add_argument("--base", required=True, help="directory or Hub id of the encoder to start from")
    parser.add_argument("--out", required=True, type=Path, help="directory of the bundle")
    parser.add_argument("--weights", type=Path, help="directory of the trained weights; left out, they are not kept")
    parser.add_argument("--test", help="rows to measure the result on")
    parser.add_argument("--test-years", type=_years, help="measure on the test rows of these years only")
    options = parser.parse_args(arguments)
    try:
        rows = load_rows(options.data, years=options.years)
        test = load_rows(options.test, years=options.test_years) if options.test else None
        with tempfile.TemporaryDirectory() as scratch:
            weights = options.weights or Path(scratch)
            manifest = make_starter(rows, test, options.base, weights, options.out, Recipe())
    except OverheardError as error:
        typer.echo(error, err=True)
        return 1
    typer.echo(manifest.model_dump_json(indent=2))
    return 0


def _judge(logits: Floats, rows: Rows, temperature: float) -> dict[str, Any]:
    return evaluate(softmax(logits, temperature), rows.labels).as_dict()


def _years(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _show(progress: Progress) -> None:
    share, is_last = progress.step / progress.steps, progress.step == progress.steps
    typer.echo(f"\rtraining {share:4.0%}, loss {progress.loss:.3f}, {progress.eta_s:5.0f} s", err=True, nl=is_last)


if __name__ == "__main__":
    sys.exit(main())
