"""`overheard recipients list|add|test|remove`."""

import json
import sys
import time
from typing import Annotated, Any, Final

import typer

from overheard.cli.brands import brand_id, call, connect
from overheard.cli.tables import show_table
from overheard.errors import NotDelivered

app = typer.Typer(no_args_is_help=True, help="Who is told of alerts and digests, and whether that gets there.")
NOBODY: Final = (
    "nobody is told: overheard recipients add team 'mailtos://user:password@mail.example.com/?to=ann@example.com'"
)
Id = Annotated[int, typer.Argument(help="The recipient's number, as `overheard recipients list` shows it.")]
TEST_TIMEOUT_S: Final = 120
LOOK_EVERY_S: Final = 0.5


@app.command("list")
def list_recipients(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Who is told, and how that goes. What is secret of an address is not shown.

    Example: overheard recipients list
    """
    from rich.table import Table
    from rich.text import Text

    found = call("GET", "/recipients")["recipients"]
    if as_json:
        print(json.dumps(found))
        return
    if not found:
        print(NOBODY)
        return
    table = Table("id", "name", "where", "of", "waiting", "failed", "last sent (UTC)", "problem", box=None)
    for one in found:
        wants = [name for name in ("alerts", "digest") if one[f"wants_{name}"]]
        about = (
            f"{', '.join(wants) or 'nothing'}{'' if one['brand_id'] is None else ' of brand ' + str(one['brand_id'])}"
        )
        counts = (str(one["waiting"] or ""), str(one["failed"] or ""))
        sent = (one["sent_at"] or "never")[:16].replace("T", " ")
        table.add_row(*map(Text, (str(one["id"]), one["name"], one["shown"], about, *counts, sent, one["problem"])))
    show_table(table)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What they are called here.")],
    url: Annotated[str, typer.Argument(help="Where, as apprise writes it; `-` reads it from standard input.")],
    brand: Annotated[str | None, typer.Option(help="Only of this brand.")] = None,
    alerts: Annotated[bool, typer.Option(help="Tell of alerts.")] = True,
    digest: Annotated[bool, typer.Option(help="Send the weekly digest.")] = True,
) -> None:
    """Tell them, too. An address is secret: give `-` and it stays out of the shell's history.

    Example: overheard recipients add "brand team" "mailtos://user:password@mail.example.com/?to=ann@example.com"
    """
    where = sys.stdin.readline().strip() if url == "-" else url
    with connect() as api:
        of_brand = None if brand is None else brand_id(api, brand)
        said = {"name": name, "url": where, "brand_id": of_brand, "wants_alerts": alerts, "wants_digest": digest}
        made = api.call("POST", "/recipients", said)
    print(f"{made['id']}  {made['name']}  {made['shown']}\n  does it get there? overheard recipients test {made['id']}")


@app.command()
def test(recipient: Id) -> None:
    """Send a test notice, and wait for what comes of it.

    Example: overheard recipients test 1
    """
    with connect() as api:
        notice = api.call("POST", f"/recipients/{recipient}/test")
        deadline = time.monotonic() + TEST_TIMEOUT_S
        while notice["state"] == "waiting" or notice["state"] == "retrying":
            if time.monotonic() > deadline:
                raise NotDelivered(f"no outcome within {TEST_TIMEOUT_S} s: does a worker run? overheard doctor")
            time.sleep(LOOK_EVERY_S)
            notice = _of(api.call("GET", f"/recipients/{recipient}"), notice["id"])
    if notice["state"] == "failed":
        raise NotDelivered(notice["problem"])
    print("sent" + (f"; but {notice['problem']}" if notice["problem"] else ""))


def _of(recipient: dict[str, Any], notice_id: int) -> dict[str, Any]:
    return next(notice for notice in recipient["notices"] if notice["id"] == notice_id)


@app.command()
def remove(recipient: Id) -> None:
    """Tell them no more.

    Example: overheard recipients remove 1
    """
    call("DELETE", f"/recipients/{recipient}")
    print(f"recipient {recipient} is removed")
