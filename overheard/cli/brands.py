"""`overheard brands add|list|show|remove|apply`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from overheard.cli.tables import show_table
from overheard.errors import NotFound
from overheard.settings import Settings

if TYPE_CHECKING:
    from overheard.calls import Calls

app = typer.Typer(no_args_is_help=True, help="Whom people talk about, and where that is heard.")
Name = Annotated[str, typer.Argument(help="The brand's name, in any case.")]
NO_BRANDS: Final = "no brands yet: overheard brands add 'Acme' --source rss:https://news.example/feed.xml"
SIGNS: Final = {"added": "+", "changed": "~", "removed": "-", "unchanged": " "}


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    alias: Annotated[list[str], typer.Option(help="Another name of it.")] = [],  # noqa: B006
    product: Annotated[list[str], typer.Option(help="What it makes: a post on that is about the brand.")] = [],  # noqa: B006
    competitor: Annotated[list[str], typer.Option(help="Whom it is compared with; not looked for.")] = [],  # noqa: B006
    exclude: Annotated[list[str], typer.Option(help="A word of posts that mean something else.")] = [],  # noqa: B006
    language: Annotated[list[str], typer.Option(help="ISO 639-1, like en; none: any language.")] = [],  # noqa: B006
    source: Annotated[
        list[str],
        typer.Option(help="x, rss:URL, mastodon:URL, hn, bluesky, file:PATH?text=COLUMN&id=COLUMN, webhook:NAME."),
    ] = [],  # noqa: B006
) -> None:
    """Listen for a brand. Each option may be given several times; adding it again changes nothing.

    Example: overheard brands add "Acme" --alias "Acme Corp" --language en --source rss:https://news.example/feed.xml
    """
    spec = {"aliases": alias, "products": product, "competitors": competitor, "excluded": exclude}
    body = {"name": name, **spec, "languages": language, "sources": [_anchored(text) for text in source]}
    brand = call("POST", "/brands", body)
    print(f"listening for {brand['name']}: {len(brand['feeds'])} sources")
    for feed in brand["feeds"]:
        print(f"  {feed['id']}  {feed['source']}")
        show_secret(feed)
    if not brand["feeds"]:
        print(f"  say where: overheard feeds add rss:https://news.example/feed.xml --brand {brand['name']!r}")


@app.command("list")
def list_brands(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Brands, newest first.

    Example: overheard brands list
    """
    from rich.table import Table

    with connect() as api:
        found = api.all_of("/brands", "brands")
    if as_json:
        print(json.dumps(found))
        return
    if not found:
        print(NO_BRANDS)
        return
    table = Table("id", "brand", "aliases", "products", "languages", "excluded", box=None)
    for brand in found:
        told = (", ".join(brand[name]) for name in ("aliases", "products", "languages", "excluded"))
        table.add_row(str(brand["id"]), brand["name"], *told)
    show_table(table)


@app.command()
def show(name: Name) -> None:
    """All that is known of a brand and its feeds, as JSON.

    Example: overheard brands show Acme
    """
    with connect() as api:
        brand = api.call("GET", f"/brands/{brand_id(api, name)}")
    print(json.dumps(brand, indent=2))


@app.command()
def remove(name: Name, yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False) -> None:
    """Forget a brand: its feeds, and the posts that mention nobody else.

    Example: overheard brands remove Acme
    """
    with connect() as api:
        number = brand_id(api, name)
        if not yes:
            typer.confirm(f"Delete {name!r} and all that was heard of it?", abort=True)
        api.call("DELETE", f"/brands/{number}")
    print(f"{name} is forgotten")


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="A TOML file; see docs/brands.md.")],
    prune: Annotated[bool, typer.Option("--prune", help="Remove the brands that the file does not name.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
) -> None:
    """Make brands and feeds as a file says, all or nothing. Doing it again changes nothing.

    Example: overheard brands apply brands.toml --dry-run
    """
    from overheard.brands import read_file

    body = {**read_file(file).model_dump(mode="json"), "prune": prune, "dry_run": dry_run}
    changes = call("PUT", "/brands", body)["changes"]
    for change in changes:
        if change["action"] != "unchanged":
            print(_line(change))
    counts = {action: sum(change["action"] == action for change in changes) for action in SIGNS}
    print(("would be: " if dry_run else "") + ", ".join(f"{count} {action}" for action, count in counts.items()))


def _line(change: dict[str, Any]) -> str:
    fields = f"  ({', '.join(change['fields'])})" if change["fields"] else ""
    return f"{SIGNS[change['action']]} {change['brand']}{change['feed'] and ': '}{change['feed']}{fields}"


def _anchored(text: str) -> str:
    """With a file's whole path: the server runs in another folder."""
    from overheard.sources import anchored

    return anchored(text, Path.cwd())


def connect() -> "Calls":
    """To the API. Raises SettingsError when there is none."""
    from overheard.calls import Calls  # half a second that --help need not take

    return Calls.connect(Settings.load())


def call(method: str, path: str, body: Any = None) -> Any:
    """One call alone, see `Calls.call`."""
    with connect() as api:
        return api.call(method, path, body)


def brand_id(api: "Calls", name: str) -> int:
    """Raises NotFound."""
    from urllib.parse import quote

    found = api.call("GET", f"/brands?name={quote(name, safe='')}")["brands"]
    if not found:
        raise NotFound("brand", name, "`overheard brands list` shows them")
    return int(found[0]["id"])


def show_secret(feed: dict[str, Any]) -> None:
    """What the sender of a webhook's posts needs; nothing for other feeds."""
    if feed["secret"]:
        print(f"     push to {feed['push_url']}, signed with {feed['secret']}")
