"""`overheard alerts list|show|acknowledge|snooze`."""

import json
from typing import Annotated

import typer

from overheard.cli.brands import brand_id, call, connect
from overheard.cli.tables import show_table

app = typer.Typer(no_args_is_help=True, help="What rules found, from its first sight to its end.")
Id = Annotated[int, typer.Argument(help="The alert's number, as `overheard alerts list` shows it.")]


@app.command("list")
def list_alerts(
    everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    brand: Annotated[str | None, typer.Option(help="Of this brand only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Open alerts, newest first (UTC).

    Example: overheard alerts list --all --brand Acme
    """
    from rich.table import Table
    from rich.text import Text

    with connect() as api:
        chosen = ["" if everything else "state=open", brand and f"brand_id={brand_id(api, brand)}"]
        found = api.all_of(f"/alerts?{'&'.join(filter(None, chosen))}", "alerts")
    if as_json:
        print(json.dumps(found))
        return
    if not found:
        print("no alerts" if everything else "no open alerts")
        return
    table = Table("id", "opened", "resolved", "alert", "words", "", box=None)
    for one in found:
        seen = f"seen by {one['acknowledged_by']}" if one["acknowledged_by"] else ""
        told = (
            str(one["id"]),
            _at(one["opened_at"]),
            _at(one["resolved_at"]),
            one["title"],
            ", ".join(one["words"]),
            seen,
        )
        table.add_row(*map(Text, told))
    show_table(table)


@app.command()
def show(alert: Id) -> None:
    """All that is known of one: how much, how sure, since when, what to do.

    Example: overheard alerts show 12
    """
    one = call("GET", f"/alerts/{alert}")
    print(f"{one['title']}\n\n{one['said']}\nSince {_at(one['since'])} UTC. {one['advice']}")
    if one["words"]:
        print(f"What grew: {', '.join(one['words'])}")


@app.command()
def acknowledge(alert: Id) -> None:
    """Say that somebody has seen it.

    Example: overheard alerts acknowledge 12
    """
    call("POST", f"/alerts/{alert}/acknowledge")
    print(f"alert {alert} is acknowledged")


@app.command()
def snooze(alert: Id, hours: Annotated[float, typer.Option(min=0.01, help="For so long.")] = 8) -> None:
    """Have nobody told for a while what was not told yet.

    Example: overheard alerts snooze 12 --hours 24
    """
    until = call("POST", f"/alerts/{alert}/snooze", {"hours": hours})["snoozed_until"]
    print(f"alert {alert} is snoozed until {_at(until)} UTC")


def _at(time: str | None) -> str:
    return time[:16].replace("T", " ") if time else ""
