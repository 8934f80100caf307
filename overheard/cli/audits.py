"""`overheard audits list|draw|label`."""

from collections import deque
from typing import Annotated, Any, Final

import typer

from overheard.cli.brands import Name, brand_id, connect
from overheard.cli.tables import show_table
from overheard.errors import Conflict, NotFound

app = typer.Typer(no_args_is_help=True, help="Posts that people check, so that shares are known to be right.")
AT_ONCE: Final = 50
KEYS: Final[dict[str, str | None]] = {"1": "negative", "2": "neutral", "3": "positive", "0": None}
HELP: Final = "1 negative  2 neutral  3 positive  0 can't tell  u undo  q quit"


@app.command("list")
def list_draws(name: Name) -> None:
    """What was drawn for people to check, newest first, and how far they are.

    Example: overheard audits list Acme
    """
    from rich.table import Table

    with connect() as api:
        found = api.all_of(f"/brands/{brand_id(api, name)}/audits", "draws")
    if not found:
        print(f"nothing drawn yet: overheard audits draw {name!r}")
        return
    table = Table("id", "from", "to (UTC)", "posts", "drawn", "answered", "can't tell", box=None)
    for draw in found:
        posts = sum(stratum["posts"] for stratum in draw["strata"])
        counts = (f"{count:,}" for count in (posts, draw["drawn"], draw["answered"], draw["unclear"]))
        table.add_row(str(draw["id"]), _minute(draw["since"]), _minute(draw["until"]), *counts)
    show_table(table)


@app.command("draw")
def draw_now(
    name: Name,
    since: Annotated[
        str | None, typer.Option(help="From then, like 2026-11-01T00:00Z; else the last draw's end.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Until then; else now.")] = None,
    count: Annotated[int | None, typer.Option(help="So many posts; else OVERHEARD_AUDITS_PER_WEEK.")] = None,
) -> None:
    """Draw posts of a brand for people to check now, without waiting for Monday.

    Example: overheard audits draw Acme --count 100
    """
    body = {"since": since, "until": until, "count": count}
    with connect() as api:
        draw = api.call("POST", f"/brands/{brand_id(api, name)}/audits", body)
    drawn, posts = (sum(stratum[key] for stratum in draw["strata"]) for key in ("drawn", "posts"))
    print(f"{drawn:,} of {posts:,} posts from {_minute(draw['since'])} to {_minute(draw['until'])} (UTC)")
    print("to check them: overheard audits label")


@app.command()
def label(brand: Annotated[str | None, typer.Option(help="Only posts on this brand.")] = None) -> None:
    """Check posts one after the other, with one key each; what the model says is not shown.

    Example: overheard audits label --brand Acme
    """
    with connect() as api:
        path = f"/audits?limit={AT_ONCE}" + (f"&brand_id={brand_id(api, brand)}" if brand else "")
        waiting, done = deque[dict[str, Any]](), list[dict[str, Any]]()
        while waiting or (waiting := deque(api.call("GET", path)["audits"])):
            _show(waiting[0])
            pressed = typer.getchar()
            if pressed in KEYS:
                done.append(waiting.popleft())
                try:
                    api.call("POST", f"/audits/{done[-1]['id']}", {"label": KEYS[pressed]})
                except (Conflict, NotFound) as gone:
                    print(gone)
                    done.pop()
            elif pressed == "u" and done:
                waiting.appendleft(done.pop())
                api.call("DELETE", f"/audits/{waiting[0]['id']}/label")
            elif pressed == "q":
                break
    print(f"{len(done):,} checked" + ("" if waiting else "; nothing is left to check"))


def _show(audit: dict[str, Any]) -> None:
    about = (audit["brand"], audit["source"], audit["language"], _minute(audit["posted_at"]), audit["url"])
    print(f"\n{' · '.join(_printable(part) for part in about if part)}\n\n{_printable(audit['text'])}\n\n{HELP}")


def _printable(text: str) -> str:
    """Strangers' texts must not command the terminal."""
    return "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)


def _minute(at: str) -> str:
    return at[:16].replace("T", " ")
