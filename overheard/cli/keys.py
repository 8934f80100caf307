"""`overheard keys list|make|rotate|revoke`."""

import json
from typing import Annotated, Any

import typer

from overheard.cli.brands import call
from overheard.cli.tables import show_table

app = typer.Typer(no_args_is_help=True, help="Keys to the API: who may do what, and when each was last used.")
Id = Annotated[str, typer.Argument(help="The key's id, as `overheard keys list` shows it.")]
ROLES = "viewer, labeller, operator or admin"


@app.command("list")
def list_keys(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Living keys. Their secrets are not kept, so nobody can show them.

    Example: overheard keys list
    """
    from rich.table import Table
    from rich.text import Text

    found = call("GET", "/keys")
    if as_json:
        print(json.dumps(found))
        return
    table = Table("id", "name", "role", "made (UTC)", "last used (UTC)", "old secret opens until", box=None)
    for key in found:
        times = (_minute(key[name], without) for name, without in WHEN)
        table.add_row(*map(Text, (key["id"], key["name"], key["role"], *times)))
    show_table(table)


WHEN = (("created_at", ""), ("last_used_at", "never"), ("old_until", ""))


def _minute(time: str | None, without: str) -> str:
    return time[:16].replace("T", " ") if time else without


@app.command()
def make(
    name: Annotated[str, typer.Argument(help="Whose it is: a person or a program.")],
    role: Annotated[str, typer.Option(help=f"What it may do: {ROLES}; each may do what those before it may.")],
) -> None:
    """Make a key. Its secret is shown this once.

    Example: overheard keys make "weekly report" --role viewer
    """
    _show(call("POST", "/keys", {"name": name, "role": role}))


@app.command()
def rotate(
    key: Id,
    grace: Annotated[int, typer.Option(help="Seconds that the old secret opens, too; 0: it has leaked.")] = 86_400,
) -> None:
    """Give a key another secret, shown this once.

    Example: overheard keys rotate 0d7f… --grace 3600
    """
    made = call("POST", f"/keys/{key}/rotate", {"grace_s": grace})
    _show(made)
    print(f"the old secret opens until {_minute(made['old_until'], '')} UTC" if grace else "the old secret is void")


@app.command()
def revoke(key: Id) -> None:
    """It opens nothing from now on, and what signed in with it is signed out.

    Example: overheard keys revoke 0d7f…
    """
    call("DELETE", f"/keys/{key}")
    print(f"key {key} is revoked")


def _show(made: dict[str, Any]) -> None:
    print(f"{made['id']}  {made['name']}  {made['role']}\n{made['key']}  (shown this once)")
