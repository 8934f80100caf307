"""`overheard rules list|kinds|add|enable|disable|rehearse|remove`."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from overheard.cli.brands import brand_id, call, connect
from overheard.cli.tables import show_table
from overheard.errors import NotFound

if TYPE_CHECKING:
    from overheard.calls import Calls

app = typer.Typer(no_args_is_help=True, help="What is watched, and when that is worth telling.")
Name = Annotated[str, typer.Argument(help="The rule's name, or its number.")]
Kind = Annotated[str, typer.Argument(help="As `overheard rules kinds` lists them, like negative_share.")]
Brand = Annotated[str | None, typer.Option(help="Of this brand; without it, of every brand.")]
Option = Annotated[list[str], typer.Option("--option", "-o", help="Like sensitivity=high; may be given several times.")]


@app.command("list")
def list_rules(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """All rules.

    Example: overheard rules list
    """
    from rich.table import Table
    from rich.text import Text

    found = call("GET", "/rules")
    if as_json:
        print(json.dumps(found))
        return
    table = Table("id", "name", "kind", "brand", "options", "quiet", "", box=None)
    for rule in found:
        options = " ".join(f"{name}={value}" for name, value in rule["options"].items())
        brand = str(rule["brand_id"] or "")
        table.add_row(
            *map(Text, (str(rule["id"]), rule["name"], rule["kind"], brand, options, _quiet(rule), _state(rule)))
        )
    show_table(table)


@app.command()
def kinds() -> None:
    """What rules there can be.

    Example: overheard rules kinds
    """
    for kind in call("GET", "/rules/kinds"):
        print(f"{kind['kind']:<15} {kind['does']}")


@app.command()
def add(
    kind: Kind,
    name: Annotated[str, typer.Option(help="What it is called.")],
    brand: Brand = None,
    option: Option = [],  # noqa: B006
    quiet: Annotated[
        str | None, typer.Option(help="Tell nobody then: 22:00-07:00 or 22:00-07:00@Europe/Berlin.")
    ] = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Only keep it for now.")] = False,
) -> None:
    """Watch something.

    Example: overheard rules add negative_share --name "Acme's mood" --brand Acme -o sensitivity=high
    """
    with connect() as api:
        of_brand = brand and brand_id(api, brand)
        body = {
            "name": name,
            "kind": kind,
            "brand_id": of_brand,
            "options": _options(option),
            "is_enabled": not disabled,
        }
        rule = api.call("POST", "/rules", {**body, "quiet": _quiet_of(quiet)})
    print(f"{rule['id']}  {rule['name']} is {'kept, disabled' if disabled else 'watched'}")


@app.command()
def enable(name: Name) -> None:
    """Watch it (again).

    Example: overheard rules enable "Many more posts"
    """
    _change(name, is_enabled=True)


@app.command()
def disable(name: Name) -> None:
    """Watch it no longer: its open alerts end, and nobody is told.

    Example: overheard rules disable "Many more posts"
    """
    _change(name, is_enabled=False)


@app.command()
def remove(name: Name) -> None:
    """Delete a rule with its alerts. One that came with the installation stays deleted.

    Example: overheard rules remove "Many more posts"
    """
    with connect() as api:
        api.call("DELETE", f"/rules/{_rule(api, name)['id']}")
    print(f"{name} is removed")


@app.command()
def rehearse(
    kind: Kind,
    brand: Annotated[str, typer.Option(help="The brand's name.")],
    option: Option = [],  # noqa: B006
    days: Annotated[int, typer.Option(min=1, max=366, help="How far back.")] = 90,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """When would such a rule have fired? Nothing is changed.

    Example: overheard rules rehearse negative_share --brand Acme -o sensitivity=high --days 365
    """
    until = datetime.now(UTC)
    with connect() as api:
        said = {"kind": kind, "brand_id": brand_id(api, brand), "options": _options(option)}
        since = until - timedelta(days=days)
        played = api.call("POST", "/rules/rehearsals", {**said, "since": since.isoformat(), "until": until.isoformat()})
    if as_json:
        print(json.dumps(played))
        return
    for fired in played["fired"]:
        end = _at(fired["until"]) if fired["until"] else "still open"
        print(f"{_at(fired['since'])} to {end}  {fired['title']}")
    print(
        f"{len(played['fired'])} alerts in {days} days ({played['per_month']:g} a month), open for "
        f"{played['open_hours']:,} of {played['hours']:,} hours; nothing could be said in {played['unknown_hours']:,}"
    )


def _change(name: str, **values: Any) -> None:
    with connect() as api:
        rule = api.call("PATCH", f"/rules/{_rule(api, name)['id']}", values)
    print(f"{rule['name']} is {_state(rule) or 'watched'}")


def _rule(api: "Calls", name: str) -> dict[str, Any]:
    """Raises NotFound."""
    found = [rule for rule in api.call("GET", "/rules") if name in (rule["name"], str(rule["id"]))]
    if not found:
        raise NotFound("rule", name, "`overheard rules list` shows them")
    return dict(found[0])


def _options(said: list[str]) -> dict[str, Any]:
    """`min_posts=50` -> {"min_posts": 50}."""
    options: dict[str, Any] = {}
    for text in said:
        name, mark, value = text.partition("=")
        if not mark:
            raise typer.BadParameter(f"{text!r}: write NAME=VALUE, like sensitivity=high")
        options[name] = int(value) if value.isdecimal() else value
    return options


def _quiet_of(said: str | None) -> dict[str, str] | None:
    if said is None:
        return None
    span, _, zone = said.partition("@")
    since, mark, until = span.partition("-")
    if not mark:
        raise typer.BadParameter(f"{said!r}: write it like 22:00-07:00@Europe/Berlin")
    return {"from": since, "until": until, "tz": zone or "UTC"}


def _quiet(rule: dict[str, Any]) -> str:
    quiet = rule["quiet"]
    return f"{quiet['from']}-{quiet['until']}@{quiet['tz']}" if quiet else ""


def _state(rule: dict[str, Any]) -> str:
    if not rule["is_enabled"]:
        return "disabled"
    until = rule["snoozed_until"]
    return f"snoozed until {_at(until)}" if until and datetime.fromisoformat(until) > datetime.now(UTC) else ""


def _at(time: str) -> str:
    return time[:16].replace("T", " ")
