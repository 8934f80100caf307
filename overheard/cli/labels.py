"""`overheard labels import FILE`."""

from pathlib import Path
from typing import Annotated

import typer

from overheard.settings import Settings

AT_ONCE = 2000
app = typer.Typer(no_args_is_help=True, help="What people say that texts mean.")


@app.callback()
def _group() -> None:
    """Keeps `import` a command of its own: typer would else run it as `overheard labels`."""


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="Labelled rows: .csv, .jsonl or .parquet.")],
    audit: Annotated[bool, typer.Option("--audit", help="They measure the model and never train it.")] = False,
    source: Annotated[str, typer.Option(help="Where the texts are from, like x or mastodon.")] = "",
    brand: Annotated[str, typer.Option(help="Whom they are about.")] = "",
    text_column: Annotated[str, typer.Option(help="The column that holds the texts.")] = "text",
    label_column: Annotated[
        str, typer.Option(help="The column that holds 0, 1, 2 or negative, neutral, positive.")
    ] = "label",
) -> None:
    """Save a file's labels through the running stack. Doing it again changes nothing.

    Example: overheard labels import corrected.csv --source x --brand acme
    """
    from overheard.calls import Calls
    from overheard.cli.evaluate import labelled
    from overheard.rows import open_rows
    from overheard.scoring.bundle import LABELS

    rows = open_rows(file)
    rows.require_text(text_column)
    rows.require(label_column)
    api = Calls.connect(Settings.load())
    more = {"purpose": "audit" if audit else "train", "source": source, "brand": brand}
    total = {"added": 0, "changed": 0, "unchanged": 0}
    for texts, labels in labelled(rows, text_column, label_column):
        for start in range(0, len(texts), AT_ONCE):
            some = zip(texts[start : start + AT_ONCE], labels[start : start + AT_ONCE], strict=True)
            saved = api.call("POST", "/labels", {"labels": [{"text": t, "label": LABELS[n], **more} for t, n in some]})
            total = {name: count + saved[name] for name, count in total.items()}
    print(", ".join(f"{count:,} {name}" for name, count in total.items()))
