"""`overheard evaluate`: how good a model is on rows that people have labelled."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from overheard.errors import DataError
from overheard.registry import in_service, locate
from overheard.rows import Rows, open_rows, texts
from overheard.scoring.bundle import LABELS
from overheard.settings import Settings

if TYPE_CHECKING:
    from overheard.evaluation import Evaluation

NAMES: Final = {name: number for number, label in enumerate(LABELS) for name in (label, str(number), f"{number}.0")}


def evaluate(
    file: Annotated[Path, typer.Argument(help="Labelled rows: .csv, .jsonl or .parquet.")],
    model: Annotated[
        str | None,
        typer.Option(help="`starter`, a bundle's or checkpoint's directory, a Hub id; unset: the model in service."),
    ] = None,
    form: Annotated[
        Literal["int8", "mixed", "float32"] | None,
        typer.Option(help="Computed so, for comparison; unset: as it is served."),
    ] = None,
    text_column: Annotated[str, typer.Option(help="The column that holds the texts.")] = "text",
    label_column: Annotated[
        str, typer.Option(help="The column that holds 0, 1, 2 or negative, neutral, positive.")
    ] = "label",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Judge a model on labelled rows: accuracy, macro-recall, macro-F1, calibration error and confusion matrix.

    Example: overheard evaluate labelled.csv --model starter
    """
    from overheard.evaluation import evaluate as judge  # heavy imports that --help need not cost
    from overheard.scoring.onnx import OnnxEngine

    rows = open_rows(file)
    rows.require_text(text_column)
    rows.require(label_column)
    settings = Settings.load()
    bundle = locate(model or str(in_service(settings)), settings.models, settings.first_model_labels, form)
    engine = OnnxEngine(bundle, settings.scoring_threads)
    console = Console(stderr=True, highlight=False)
    probabilities, labels = [], []
    chunks = labelled(rows, text_column, label_column)
    for chunk_texts, chunk_labels in track(chunks, "", console=console, disable=not console.is_terminal):
        probabilities.append(engine.score(chunk_texts))
        labels.extend(chunk_labels)
    if not labels:
        raise DataError(f"{file} has no row with both a text and a label")
    if left_out := rows.count - len(labels):
        console.print(f"{left_out:,} rows without text or label are left out")
    result = judge(np.concatenate(probabilities), np.array(labels))
    if as_json:
        print(json.dumps({"model": engine.version, "form": engine.manifest.form, **result.as_dict()}))
    else:
        _print(result, f"{engine.version} ({engine.manifest.form})")


def labelled(rows: Rows, text_column: str, label_column: str) -> Iterator[tuple[list[str], list[int]]]:
    """Texts and labels of the rows that have both. Raises DataError naming the row whose label is none."""
    number = count(1)
    for chunk in rows.chunks(list(dict.fromkeys([text_column, label_column]))):
        cells = zip(texts(chunk, text_column), texts(chunk, label_column), number, strict=False)
        read = [(text, _label(rows.name, row, cell)) for text, cell, row in cells]
        pairs = [(text, label) for text, label in read if text is not None and label is not None]
        if pairs:
            yield [text for text, _ in pairs], [label for _, label in pairs]


def _label(file: str, row: int, cell: str | None) -> int | None:
    """None for a cell that is empty."""
    name = (cell or "nan").strip().lower()
    if name == "nan":
        return None
    try:
        return NAMES[name]
    except KeyError:
        expected = f"0, 1, 2 or {', '.join(LABELS)}"
        raise DataError(f"{file}: row {row} has the label {name[:40]!r}, which is none of {expected}") from None


def _print(result: "Evaluation", model: str) -> None:
    facts = result.as_dict()
    console = Console(highlight=False)
    console.print(f"model {model} on {facts['n']:,} rows", markup=False)
    table = Table.grid(padding=(0, 2))
    for name, key in (
        ("accuracy", "accuracy"),
        ("macro-recall", "macro_recall"),
        ("macro-F1", "macro_f1"),
        ("ECE", "ece"),
    ):
        table.add_row(name, f"{facts[key]:.4f}")
    console.print(table)
    confusion = Table("people say ↓  model says →", *LABELS, box=None)
    for label, counts in zip(LABELS, facts["confusion"], strict=True):
        confusion.add_row(label, *(f"{n:,}" for n in counts))
    console.print(confusion)
