"""`overheard score`: texts given as arguments, or a file of any length.

A file is scored in two steps. First the probabilities of all its rows are gathered in a folder beside the output, in
the input's order, so that a run that was cut off goes on where it stopped; then input and probabilities are joined into
the output, which gets its name when it is complete.
"""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import pyarrow as pa
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from overheard.cli.gathered import Gathered
from overheard.client import Scored, Scorer, choose
from overheard.errors import DataError, ScoringFailed
from overheard.rows import Rows, check_suffix, create, is_known, open_rows, texts
from overheard.rows.scored import require_free, scored_schema, with_scores
from overheard.scoring.bundle import LABELS
from overheard.settings import Settings

MAX_STARTS: Final = 3


def score(
    inputs: Annotated[list[str], typer.Argument(metavar="TEXT… | FILE", help="Texts, or with -o one file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Score a file into this one: .csv, .jsonl, .parquet.")
    ] = None,
    text_column: Annotated[str, typer.Option(help="The column that holds the texts.")] = "text",
    prefix: Annotated[str, typer.Option(help="Goes before the names of the columns that are added.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")] = False,
    here: Annotated[bool, typer.Option("--here", help="Score in this process, even when a stack runs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score texts, or the rows of a file: through the running stack, else in this process.

    A file keeps its columns and gets negative, neutral, positive, label and model.
    A run that was cut off is continued by the same command.

    Example: overheard score "I love this!" "Never again."

    Example: overheard score posts.csv -o scored.csv --text-column body
    """
    console = Console(stderr=True, highlight=False)
    if output is None:
        _score_texts(inputs, here, as_json, console)
        return
    if len(inputs) != 1:
        raise DataError(f"-o takes one input file, not {len(inputs)}")
    source = Path(inputs[0])
    _check_output(source, output, overwrite)
    rows = open_rows(source)
    rows.require_text(text_column)
    require_free(rows, prefix, "--prefix ")
    began_at = time.monotonic()
    try:
        with closing(choose(Settings.load(), here=here)) as scorer, Gathered(output, console) as gathered:
            console.print(f"{rows.count:,} rows, {scorer.where}")
            gathered.bind(rows, text_column)
            kept = _gather(rows, text_column, scorer, gathered, console)
            summary = {"output": str(output), **_join(rows, text_column, prefix, gathered)}
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{output} can't be written: {error}") from error
    seconds = time.monotonic() - began_at
    summary |= {
        "resumed_rows": kept,
        "seconds": round(seconds, 3),
        "rows_per_s": round((rows.count - kept) / seconds, 1),
    }
    if as_json:
        print(json.dumps(summary))
    else:
        _print_summary(summary)


# Texts


def _score_texts(inputs: list[str], here: bool, as_json: bool, console: Console) -> None:
    if len(inputs) == 1 and is_known(name := Path(inputs[0])) and len(inputs[0].split()) == 1:
        raise DataError(f"{name} is a file's name: name the output too, for example -o {name.stem}.scored{name.suffix}")
    for number, text in enumerate(inputs, 1):
        if not text.strip():
            raise DataError(f"text {number} is empty")
    inputs = [text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for text in inputs]
    with closing(choose(Settings.load(), here=here)) as scorer:
        console.print(scorer.where)
        parts = list(scorer.score(inputs))
    rows = [
        {
            "text": text,
            **dict(zip(LABELS, values, strict=True)),
            "label": LABELS[int(np.argmax(values))],
            "model": model,
        }
        for text, (values, model) in zip(inputs, _flat(parts), strict=True)
    ]
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    table = Table(*LABELS, "label", "text", box=None)
    for row in rows:
        table.add_row(*(f"{row[name]:.3f}" for name in LABELS), str(row["label"]), Text(_shortened(str(row["text"]))))
    Console(highlight=False).print(table)


def _flat(parts: list[Scored]) -> Iterator[tuple[list[float], str]]:
    for probabilities, model in parts:
        yield from (([round(p, 6) for p in row], model) for row in probabilities.tolist())


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"


# Files


def _check_output(source: Path, output: Path, overwrite: bool) -> None:
    check_suffix(output)
    if not source.exists():
        raise DataError(f"{source} does not exist")
    if output.exists():
        if output.samefile(source):
            raise DataError(f"{output} is the input: choose another name for the output")
        if output.is_dir() or not overwrite:
            raise DataError(f"{output} exists: choose another name, or pass --overwrite")
    if not output.parent.is_dir():
        raise DataError(f"{output} can't be written: {output.parent} is no folder")


def _gather(rows: Rows, column: str, scorer: Scorer, gathered: Gathered, console: Console) -> int:
    """Score what is not gathered yet. Returns how many rows were there already."""
    for _ in range(MAX_STARTS):
        kept = gathered.rows
        with Progress(*_bar(), console=console, disable=not console.is_terminal) as progress:
            bar = progress.add_task("", total=rows.count, completed=kept)
            for scored in scorer.score(islice(_cells(rows, column), kept, None)):
                if not gathered.takes(scored):
                    break
                progress.update(bar, completed=gathered.rows)
            else:
                if gathered.rows != rows.count:
                    raise DataError(f"{rows.name} has changed while it was scored")
                return kept
    raise ScoringFailed("the model has changed again and again: wait until a promotion is through, then try again")


def _cells(rows: Rows, column: str) -> Iterator[str]:
    """What is scored for each row; for a row without text something is, but no score will be shown."""
    return (text or "" for chunk in rows.chunks([column]) for text in texts(chunk, column))


def _join(rows: Rows, column: str, prefix: str, gathered: Gathered) -> dict[str, Any]:
    """Write input and probabilities into the output, and count."""
    schema = scored_schema(rows.schema, prefix)
    counts = np.zeros(len(LABELS), np.int64)
    done = 0
    with closing(create(gathered.draft, schema)) as out:
        for chunk in rows.chunks():
            has_text = np.array([text is not None for text in texts(chunk, column)])
            probabilities = gathered.read(done, chunk.num_rows)
            if len(probabilities) != chunk.num_rows:
                raise DataError(f"{rows.name} has changed while it was scored")
            counts += np.bincount(probabilities.argmax(axis=1)[has_text], minlength=len(LABELS))
            out.write(with_scores(chunk, schema, probabilities, gathered.model or "", has_text))
            done += chunk.num_rows
    gathered.publish()
    with_text = int(counts.sum())
    shares = {
        label: round(int(n) / with_text, 6) if with_text else None for label, n in zip(LABELS, counts, strict=True)
    }
    counted = dict(zip(LABELS, counts.tolist(), strict=True))
    return {
        "rows": done,
        "without_text": done - with_text,
        "model": gathered.model,
        "counts": counted,
        "shares": shares,
    }


# What is printed


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f} rows/s")


def _bar() -> tuple[ProgressColumn, ...]:
    return BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()


def _print_summary(summary: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(
        f"{summary['output']}: {summary['rows']:,} rows, model {summary['model']}, "
        f"{summary['seconds']:,.1f} s, {summary['rows_per_s']:,.0f} rows/s",
        soft_wrap=True,
        markup=False,
    )
    table = Table("label", "rows", "share", box=None)
    for label in LABELS:
        share = summary["shares"][label]
        table.add_row(label, f"{summary['counts'][label]:,}", "" if share is None else f"{100 * share:.1f} %")
    console.print(table)
    if summary["without_text"]:
        console.print(f"rows without text, and so without scores: {summary['without_text']:,}")
