"""`overheard feeds add|list|gaps|inspect|pause|resume|remove|secret`."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from overheard.cli.brands import NO_BRANDS, brand_id, call, connect, show_secret
from overheard.cli.tables import show_table

app = typer.Typer(no_args_is_help=True, help="Where posts come from, how that goes, and what is missing.")
NO_FEEDS: Final = "no feeds yet: overheard feeds add rss:https://news.example/feed.xml --brand 'Acme'"
Id = Annotated[int, typer.Argument(help="The feed's number, as `overheard feeds list` shows it.")]
Brand = Annotated[str | None, typer.Option(help="A brand's name.")]


@app.command()
def add(
    source: Annotated[str, typer.Argument(help="x, rss:URL, file:PATH?text=COLUMN&id=COLUMN, webhook:NAME, …")],
    brand: Brand = None,
    every: Annotated[int | None, typer.Option(help="Seconds between inspections.")] = None,
) -> None:
    """Listen there, for a brand; a file or a webhook whose posts name their brands needs none.

    Example: overheard feeds add rss:https://news.example/feed.xml --brand Acme
    """
    from overheard.sources import anchored

    with connect() as api:
        said = {"source": anchored(source, Path.cwd()), "brand_id": brand and brand_id(api, brand), "every_s": every}
        feed = api.call("POST", "/feeds", said)
    print(f"{feed['id']}  {feed['source']}")
    show_secret(feed)


@app.command("list")
def list_feeds(
    brand: Brand = None, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Feeds, newest first: how each does, and what to do where one does not.

    Example: overheard feeds list --brand Acme
    """
    with connect() as api:
        of_brand = "" if brand is None else f"?brand_id={brand_id(api, brand)}"
        found = api.all_of(f"/feeds{of_brand}", "feeds")
        reads = api.call("GET", "/feeds?limit=1")["reads"]
        advice = NO_FEEDS if found or api.call("GET", "/brands?limit=1")["brands"] else NO_BRANDS
    if as_json:
        print(json.dumps(found))
    elif found:
        _print_table(found, datetime.now(UTC))
        for told in reads:
            print(_reads(told))
    else:
        print(advice)


def _reads(told: dict[str, Any]) -> str:
    """Like `x: 120 of 10,000 paid reads this month, about 3,600 by its end ($18.00)`."""
    line = f"{told['source']}: {told['spent']:,} of {told['budget']:,} paid reads this month"
    line += f", about {told['reads']:,} by its end (${told['dollars']:,.2f})"
    return line + ("; the budget will not last: what it leaves out are gaps" if told["is_short"] else "")


def _print_table(found: list[dict[str, Any]], now: datetime) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("id", "brand", "source", "state", "last", "next", "complete", "gaps", "what to do", box=None)
    for feed in found:
        times = (_ago(feed["inspected_at"], now), _until(feed["due_at"], now), _ago(feed["complete_at"], now))
        problem = feed["problem"] or {}
        told = (str(feed["id"]), feed["brand"] or "as its posts say", feed["source"], feed["state"], *times)
        advice = problem.get("advice") or problem.get("reason", "")
        table.add_row(*map(Text, (*told, str(feed["open_gaps"] or ""), advice)))
    show_table(table)


@app.command()
def gaps(feed: Id, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Stretches of time of which a feed does not know everything, newest first.

    Example: overheard feeds gaps 3
    """
    from rich.table import Table
    from rich.text import Text

    with connect() as api:
        found = api.all_of(f"/feeds/{feed}/gaps", "gaps")
    if as_json:
        print(json.dumps(found))
        return
    if not found:
        print("no gaps: everything that its platform had was read")
        return
    table = Table("from", "to (UTC)", "reason", "", box=None)
    for gap in found:
        fate = "lost" if gap["is_final"] else f"filled {_at(gap['filled_at'])}" if gap["filled_at"] else "open"
        table.add_row(*map(Text, (_at(gap["since"]), _at(gap["until"]), gap["reason"], fate)))
    show_table(table)


@app.command()
def inspect(feed: Id) -> None:
    """Have it inspected now.

    Example: overheard feeds inspect 3
    """
    call("POST", f"/feeds/{feed}/inspections")
    print(f"feed {feed} is due now")


@app.command()
def pause(feed: Id) -> None:
    """Let nobody inspect it. What it heard stays.

    Example: overheard feeds pause 3
    """
    call("PATCH", f"/feeds/{feed}", {"is_paused": True})
    print(f"feed {feed} is paused: overheard feeds resume {feed}")


@app.command()
def resume(feed: Id) -> None:
    """Have it inspected again, at once, from where it stopped.

    Example: overheard feeds resume 3
    """
    call("PATCH", f"/feeds/{feed}", {"is_paused": False})
    print(f"feed {feed} goes on")


@app.command()
def remove(feed: Id) -> None:
    """Listen there no more. What it heard stays.

    Example: overheard feeds remove 3
    """
    call("DELETE", f"/feeds/{feed}")
    print(f"feed {feed} is removed")


@app.command()
def secret(feed: Id) -> None:
    """Where a webhook's posts are sent, and what they are signed with.

    Example: overheard feeds secret 3
    """
    with connect() as api:
        told = api.call("GET", f"/feeds/{feed}/secret")
    print(f"{api.url}{told['push_url']}\n{told['secret']}")


def _at(time: str) -> str:
    return time[:16].replace("T", " ")


def _ago(time: str | None, now: datetime) -> str:
    return "never" if time is None else f"{_span(now - datetime.fromisoformat(time))} ago"


def _until(time: str | None, now: datetime) -> str:
    if time is None:
        return ""
    left = datetime.fromisoformat(time) - now
    return "now" if left <= timedelta(0) else f"in {_span(left)}"


def _span(time: timedelta) -> str:
    """In its largest whole unit."""
    seconds = max(0, int(time.total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
