"""`overheard digest BRAND`."""

import json
from typing import Annotated

import typer

from overheard.cli.brands import brand_id, connect


def digest(
    brand: Annotated[str, typer.Argument(help="The brand's name, in any case.")],
    week: Annotated[str | None, typer.Option(help="A day of it, like 2026-03-02; unset: the last whole week.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """How a brand's week was: shares with intervals, what drove them, gaps, alerts, the model.

    Example: overheard digest Acme --week 2026-03-02
    """
    with connect() as api:
        found = api.call("GET", f"/brands/{brand_id(api, brand)}/digest" + (f"?week={week}" if week else ""))
    print(json.dumps(found) if as_json else found["text"])
