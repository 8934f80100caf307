"""`overheard schedules list|pause|resume|set|run`."""

import json
from typing import Annotated, Any

import typer

from overheard.cli.tables import show_table
from overheard.settings import Settings

app = typer.Typer(no_args_is_help=True, help="What happens by itself, and when: pause, resume, change, run now.")
Name = Annotated[str, typer.Argument(help="An entry, as `overheard schedules list` shows it.")]


@app.command("list")
def list_schedules(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """All entries, with their last and next run (UTC).

    Example: overheard schedules list
    """
    from rich.table import Column, Table

    listed = _call("GET", "/schedules")
    if as_json:
        print(json.dumps(listed))
        return
    table = Table(
        *(Column(title, no_wrap=True) for title in ("name", "when", "last run", "next run", "what")), box=None
    )
    for entry in listed:
        following = "paused" if entry["is_paused"] else _at(entry["next_run_at"])
        table.add_row(entry["name"], _when(entry), _at(entry["last_run_at"]), following, entry["does"])
    show_table(table)


@app.command()
def pause(name: Name) -> None:
    """Until `resume`: restarts change nothing about that.

    Example: overheard schedules pause weekly-retrain
    """
    _say(_call("PATCH", f"/schedules/{name}", {"is_paused": True}))


@app.command()
def resume(name: Name) -> None:
    """From its next time on: what was due meanwhile is not done.

    Example: overheard schedules resume weekly-retrain
    """
    _say(_call("PATCH", f"/schedules/{name}", {"is_paused": False}))


@app.command("set")
def set_cron(
    name: Name,
    cron: Annotated[str, typer.Argument(help='"minute hour day-of-month month day-of-week", UTC; `default`.')],
) -> None:
    """Change when it runs; `default` is as it came.

    Example: overheard schedules set weekly-retrain "30 1 * * sat"
    """
    _say(_call("PATCH", f"/schedules/{name}", {"cron": None if cron == "default" else cron}))


@app.command()
def run(name: Name) -> None:
    """Run it now, also while it is paused.

    Example: overheard schedules run accuracy-check
    """
    begun = _call("POST", f"/schedules/{name}/runs")
    print(f"{begun['name']} is begun" + (f": training {begun['job_id']}" if begun["job_id"] else ""))


def _call(method: str, path: str, body: Any = None) -> Any:
    from overheard.calls import Calls

    return Calls.connect(Settings.load()).call(method, path, body)


def _say(entry: dict[str, Any]) -> None:
    state = "paused" if entry["is_paused"] else f"next at {_at(entry['next_run_at'])} UTC"
    print(f"{entry['name']}: {_when(entry)}, {state}")


def _when(entry: dict[str, Any]) -> str:
    return str(entry["cron"] or f"every {entry['every_s']:g} s")


def _at(time: str | None) -> str:
    return time[:16].replace("T", " ") if time else ""
