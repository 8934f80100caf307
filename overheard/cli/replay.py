"""`overheard replay FILE`."""

import re
from pathlib import Path
from typing import Annotated

import typer

from overheard.settings import Settings


def replay(
    file: Annotated[Path, typer.Argument(help="A recorded stream: .csv, .jsonl or .parquet, with times.")],
    brand: Annotated[str | None, typer.Option(help="Whom the posts are about.")] = None,
    brand_column: Annotated[str | None, typer.Option(help="Or the column that says it.")] = None,
    speed: Annotated[str, typer.Option(help="Like 1000x: so many times as fast as it was; or max.")] = "max",
    now: Annotated[bool, typer.Option("--now", help="Date the posts when they are sent.")] = False,
    text_column: Annotated[str, typer.Option(help="The column that holds the texts.")] = "text",
    time_column: Annotated[str | None, typer.Option(help="By default posted_at or created_at.")] = None,
) -> None:
    """Feed a recorded stream to the running stack as if it were live. Doing it again stores nothing twice.

    Example: overheard replay stream.parquet --brand Acme --speed 1000x
    """
    from rich.console import Console
    from rich.progress import Progress

    from overheard import replay as stream
    from overheard.calls import Calls

    pace = _speed(speed)
    columns = stream.Columns(text=text_column, posted_at=time_column, brand=brand_column)
    recorded = stream.read(file, columns, brand)
    api = Calls.connect(Settings.load())
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(file.name, total=len(recorded))
        total = stream.replay(api, recorded, pace, now, lambda so_far: bar.update(task, completed=so_far.sent))
    print(f"{total.sent:,} rows sent: {total.new:,} new posts, {total.mentions:,} new mentions")


def _speed(text: str) -> float | None:
    """None: as fast as it is taken."""
    if text == "max":
        return None
    if not re.fullmatch(r"\d+(\.\d+)?x?", text) or float(text.rstrip("x")) <= 0:
        raise typer.BadParameter(f"{text!r}: write it like 1000x, or max", param_hint="--speed")
    return float(text.rstrip("x"))
