"""The figures of `bench.learning_loop` as tables for the docs. The report is what its JSON file holds."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from bench.learning_figures import Figures, Interval, Pairs, accuracy, figures, gain, macro_f1, macro_recall, mean

WAYS: Final = ("balanced", "random")
NAMES: Final = {"balanced": "balanced", "random": "random"}
METRICS: Final = {"macro-F1": macro_f1, "accuracy": accuracy, "macro-recall": macro_recall}


def rounds(report: dict[str, Any], domain: str, way: str) -> list[tuple[int, Figures, Figures]]:
    """Labels spent, figures on the domain and on the old rows, means over seeds; first those of the starter."""
    facts, old = report["domains"][domain], report["old"]
    before = figures(facts["starter"]["domain"], facts["labels"]), figures(facts["starter"]["old"], old)
    found = [(0, *before)]
    for of_seeds in zip(*_arms(report, domain, way), strict=True):
        here = mean([figures(one["domain"], facts["labels"]) for one in of_seeds])
        found.append((of_seeds[0]["labels"], here, mean([figures(one["old"], old) for one in of_seeds])))
    return found


def markdown(report: dict[str, Any]) -> str:
    """For the docs: conditions, what was gained and how surely, every round."""
    asked = report["asked"]
    ways = [way for way in WAYS if all(_arms(report, domain, way) for domain in report["domains"])]
    blocks = [
        "\n".join(f"- {line}" for line in _conditions(report)),
        _table(
            (f"after {asked['rounds'] * asked['labels']} labels, points", *METRICS, "old macro-recall"),
            _gains(report, ways),
        ),
        *(_table((f"**{domain}**", *_headings(ways)), _lines(report, domain, ways)) for domain in report["domains"]),
    ]
    return "\n\n".join(blocks)


def _conditions(report: dict[str, Any]) -> list[str]:
    machine, asked = report["machine"], report["asked"]
    sizes = ", ".join(
        f"{name}: {facts['rows']:,} rows to choose from, {len(facts['labels']):,} judged"
        for name, facts in report["domains"].items()
    )
    seconds = [one["trained_s"] for arm in report["arms"].values() for one in arm]
    return [
        ", ".join((machine["cpu"], f"{machine['cores']} cores", *machine["instructions"], machine["system"])),
        f"load {machine['load_before']} before the start; {report['at']}",
        f"{asked['seeds']} seeds, {asked['rounds']} rounds of {asked['labels']} labels",
        f"{sizes}; {len(report['old']):,} old rows",
        f"a round's training took {min(seconds):.0f} to {max(seconds):.0f} s on one thread",
        ", ".join(f"{name} {number}" for name, number in report["versions"].items()),
    ]


def _gains(report: dict[str, Any], ways: Sequence[str]) -> Iterator[list[str]]:
    for way in ways:
        yield [f"{NAMES[way]}, against the starter", *_changes(report, "starter", way)]
    for domain in report["domains"]:
        for way in ways:
            yield [f"{domain} alone, {NAMES[way]}", *_changes(report, "starter", way, [domain])]
    if len(ways) > 1:
        yield ["balanced against random", *_changes(report, "random", "balanced")]
        unseen = _changes(report, "random", "balanced", is_unseen=True)
        yield ["the same on rows without a near copy among those to choose from", *unseen]


def _changes(
    report: dict[str, Any], before: str, after: str, domains: Sequence[str] = (), *, is_unseen: bool = False
) -> Iterator[str]:
    names = domains or list(report["domains"])
    here = [_pairs(report, domain, before, after, "domain", is_unseen=is_unseen) for domain in names]
    there = [_pairs(report, domain, before, after, "old", is_unseen=False) for domain in names]
    yield from (_shown(gain(here, metric)) for metric in METRICS.values())
    yield _shown(gain(there, macro_recall))


def _pairs(report: dict[str, Any], domain: str, before: str, after: str, kind: str, *, is_unseen: bool) -> Pairs:
    facts = report["domains"][domain]
    last = [arm[-1][kind] for arm in _arms(report, domain, after)]
    first = [facts["starter"][kind]] * len(last)
    if before != "starter":
        first = [arm[-1][kind] for arm in _arms(report, domain, before)]
    labels = facts["labels"] if kind == "domain" else report["old"]
    kept = [copy == "0" for copy in facts["copied"]] if is_unseen else [True] * len(labels)
    labels, *both = ("".join(d for d, keep in zip(row, kept, strict=True) if keep) for row in (labels, *first, *last))
    return Pairs(labels, both[: len(first)], both[len(first) :])


def _arms(report: dict[str, Any], domain: str, way: str) -> list[list[dict[str, Any]]]:
    return [arm for name, arm in report["arms"].items() if name.startswith(f"{domain}/{way}/")]


def _headings(ways: Sequence[str]) -> Iterator[str]:
    for way in ways:
        yield f"{NAMES[way]}: macro-F1"
        yield from ("accuracy", "macro-recall", "old macro-recall")


def _lines(report: dict[str, Any], domain: str, ways: Sequence[str]) -> Iterator[list[str]]:
    for of_ways in zip(*(rounds(report, domain, way) for way in ways), strict=True):
        cells = [(here.macro_f1, here.accuracy, here.macro_recall, old.macro_recall) for _, here, old in of_ways]
        yield [f"{of_ways[0][0]} labels", *(f"{share:.3f}" for way in cells for share in way)]


def _shown(change: Interval) -> str:
    return f"{change.points:+.1f} ({change.low:+.1f} to {change.high:+.1f})"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rule, *rows))
