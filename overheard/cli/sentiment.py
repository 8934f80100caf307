"""`overheard sentiment BRAND`: its shares, how sure that is, and what has changed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import typer

from overheard.cli.brands import Name, brand_id, connect

SHOWN_GAPS: Final = 10
SURE: Final = {
    "audited": "audited by {audits:,} labels of these posts",
    "nearby": "corrected by {audits:,} labels of the weeks around; none or too few of these posts",
    "corrected": "not audited: overheard audits label",
    "too_few": "too few posts for a share",
}


def sentiment(
    brand: Name,
    days: Annotated[int, typer.Option(min=1, max=366, help="So many days until now.")] = 28,
    source: Annotated[str | None, typer.Option(help="Of one source only, like x.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with a point for each day.")] = False,
) -> None:
    """How a brand is spoken of: shares with 95 % intervals, their change against as many days before, and gaps.

    Example: overheard sentiment Acme --days 7
    """
    until = datetime.now(UTC)
    since = until - timedelta(days=days - 1)
    query = {"since": since.isoformat(), "until": until.isoformat(), "compare": "previous"}
    with connect() as api:
        asked = urlencode(query | ({"source": source} if source else {}))
        found = api.call("GET", f"/brands/{brand_id(api, brand)}/sentiment?{asked}")
    print(json.dumps(found) if as_json else "\n".join(lines(brand, found)))


def lines(brand: str, found: dict[str, Any]) -> list[str]:
    """What is told of an answer of GET /brands/{id}/sentiment with `compare=previous`."""
    total, change = found["total"], found["change"]
    days = len(found["points"])
    said = [f"{brand}, {total['since'][:10]} to {total['until'][:10]}: {total['posts']:,} posts"]
    for name, share in total["shares"].items():
        moved = change["shares"][name]
        against = f"   {rounded(moved, sign='+')} against the {days} days before" if moved["point"] is not None else ""
        said.append(f"  {name:<9}{rounded(share)}{against}")
    said.append(f"  {SURE[total['method']].format(**total)}")
    if len(total["versions"]) > 1:
        said.append(f"  read by {len(total['versions'])} model versions: part of a change may be theirs")
    gaps = found["gaps"]
    said += [
        f"  not everything was heard: {g['source']}, {g['since'][:16]} to {g['until'][:16]}: {g['reason']}"
        for g in gaps[:SHOWN_GAPS]
    ]
    return said + ([f"  and {len(gaps) - SHOWN_GAPS} more gaps"] if len(gaps) > SHOWN_GAPS else [])


def rounded(share: dict[str, float | None], sign: str = "") -> str:
    """In percent, to as many digits as its interval is worth. The farther bound counts where they differ."""
    point, low, high = share["point"], share["low"], share["high"]
    if point is None or low is None or high is None:
        return "unknown"
    half = 100 * max(point - low, high - point)
    digits = 0 if half >= 0.95 else 1
    return f"{100 * point:{sign}.{digits}f} % ± {max(half, 0.1):.{digits}f}"
