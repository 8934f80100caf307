"""What chaos found, as Markdown."""

from collections import Counter
from typing import Any

from bench.chaos.ledger import KINDS

COUNTS = ("accepted", "finished", "failed", "lost", "doubled")


def is_good(found: dict[str, Any]) -> bool:
    """Nothing was lost or doubled, everything came to rest, and nobody was answered that there is a bug."""
    return all(_is_good(facts) for facts in found["faults"])


def _is_good(facts: dict[str, Any]) -> bool:
    if "skipped" in facts:
        return True
    counts = _counts(facts)
    is_back = facts["recovered_s"] is not None and facts["settled_s"] is not None
    has_bug = any(reason.startswith("500") for reason in facts["errors"])
    return is_back and not (facts["problem"] or counts["lost"] or counts["doubled"] or has_bug)


def _counts(facts: dict[str, Any]) -> dict[str, int]:
    return {count: sum(fate[count] for fate in facts["fates"].values()) for count in COUNTS}


def line(facts: dict[str, Any]) -> str:
    """For whoever watches."""
    if "skipped" in facts:
        return f"skipped {facts['name']}: {facts['skipped']}"
    notes = [note for fate in facts["fates"].values() for note in fate["notes"]][:8]
    told = [f"{'good' if _is_good(facts) else 'BAD '} {facts['database']}: {facts['name']}: {_counts(facts)}"]
    told += [f"again after {_s(facts['recovered_s'])}, at rest after {_s(facts['settled_s'])}; {facts['errors']}"]
    told += [str(facts["left"])] if facts["left"] else []
    return "\n    ".join([*told, *notes, *([facts["problem"]] if facts["problem"] else [])])


def markdown(found: dict[str, Any]) -> str:
    facts = found["machine"]
    lines = [
        f"- {facts['cpu']}, {facts['cores']} cores; load {facts['load_before']} before the start; {found['at']}",
        f"- the usual load times {found['pace']:g}; left out: {', '.join(found['without']) or 'nothing'}",
        "- " + ", ".join(f"{name} {number}" for name, number in found["versions"].items()),
    ]
    for database in dict.fromkeys(fault["database"] for fault in found["faults"]):
        faults = [fault for fault in found["faults"] if fault["database"] == database]
        lines += ["", f"### {'PostgreSQL' if database == 'postgresql' else 'SQLite'}", ""]
        lines += [
            "| fault | " + " | ".join(COUNTS) + " | answers again | at rest | callers saw meanwhile |",
            "|---|" + "---:|" * len(COUNTS) + "---:|---:|---|",
            *(_row(fault) for fault in faults if "skipped" not in fault),
        ]
        lines += ["", *(f"Not tried: {fault['name']}: {fault['skipped']}." for fault in faults if "skipped" in fault)]
    return "\n".join([*lines, "", *_kinds(found)])


def _row(facts: dict[str, Any]) -> str:
    counts = _counts(facts)
    cells = [facts["name"], *(f"{counts[count]:,}" for count in COUNTS)]
    cells += [_s(facts["recovered_s"]), _s(facts["settled_s"])]
    most = Counter(facts["errors"]).most_common(4)
    cells.append("; ".join(f"{count} x {reason}" for reason, count in most) or "nothing")
    return "| " + " | ".join(cells) + " |"


def _kinds(found: dict[str, Any]) -> list[str]:
    """All faults together, by what was accepted."""
    tried = [facts["fates"] for facts in found["faults"] if "skipped" not in facts]
    rows = ["| what | " + " | ".join(COUNTS) + " |", "|---|" + "---:|" * len(COUNTS)]
    for kind in KINDS:
        counts = [sum(fates[kind][count] for fates in tried) for count in COUNTS]
        rows.append(f"| {kind} | " + " | ".join(f"{count:,}" for count in counts) + " |")
    return rows


def _s(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"
