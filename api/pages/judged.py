"""What is known of model versions, as people read it: figures with intervals, verdicts in words, curves over time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from overheard import falls
from overheard.falls import Run
from overheard.intervals import NONE, Share, Z, wilson
from overheard.performance import Calibration
from overheard.scoring.bundle import LABELS
from overheard.store.tables.learning import Model

TESTS: Final = ("test", "held_out")
"""Where a bundle's own metrics may hold figures, the better ones first."""
SLICES: Final = {"fresh": "fresh labels", "base": "base data"}
SHADES: Final = 8


@dataclass(frozen=True)
class Figures:
    """A version on labelled rows that it did not learn from. rows: how many."""

    rows: int
    macro_recall: Share
    accuracy: Share
    macro_f1: float
    ece: float
    confusion: Sequence[Sequence[int]]

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "Figures":
        """kept: an `Evaluation` as JSON."""
        errors = falls.errors(kept["confusion"])
        macro_recall, accuracy = (_around(kept[name], errors[name]) for name in ("macro_recall", "accuracy"))
        return cls(kept["n"], macro_recall, accuracy, kept["macro_f1"], kept["ece"], kept["confusion"])

    @property
    def cells(self) -> Iterator[tuple[str, list[tuple[int, float, int]]]]:
        """Of the confusion, by true class: count, share of its row, and one of SHADES."""
        for name, row in zip(LABELS, self.confusion, strict=True):
            shares = [count / max(sum(row), 1) for count in row]
            yield name, [(count, share, round(share * SHADES)) for count, share in zip(row, shares, strict=True)]


@dataclass(frozen=True)
class Sure:
    """Rows of which a model promised to be right so often, and how often it was."""

    name: str
    rows: int
    promised: float
    right: Share


@dataclass(frozen=True)
class Compared:
    """A gate's verdict. what: how it ended, kind: the badge's, why: in a sentence."""

    champion: str
    challenger: str
    what: str
    kind: str
    why: str
    reasons: Sequence[str]
    before: Figures
    after: Figures
    kept: dict[str, Any]

    @classmethod
    def of(cls, verdict: dict[str, Any]) -> "Compared":
        whole = verdict["slices"][0]
        return cls(
            verdict["champion"],
            verdict["challenger"],
            "promoted" if verdict["promoted"] else "not promoted",
            "good" if verdict["promoted"] else "calm",
            _why(verdict),
            [*verdict["vetoes"], *verdict["reasons"]],
            Figures.of(whole["champion"]),
            Figures.of(whole["challenger"]),
            verdict,
        )

    @property
    def sure(self) -> list[tuple[str, str, list[Sure]]]:
        """Of both: name, class of the drawing, points. Empty where the verdict does not hold them."""
        if "reliability" not in self.kept:
            return []
        champion, challenger = map(_bins, self.kept["reliability"])
        return [("The champion", "before", champion), ("The challenger", "after", challenger)]

    @property
    def change(self) -> Share:
        """Of macro-recall on all rows."""
        return _change(self.kept["change"])

    @property
    def fresh(self) -> tuple[dict[str, Any], dict[str, Any], Share] | None:
        """Both on fresh labels, and the change of accuracy there; None where they were too few."""
        parts = [part for part in self.kept["slices"] if part["value"] == "fresh"]
        if not parts or not self.kept["fresh_change"]:
            return None
        return parts[0]["champion"], parts[0]["challenger"], _change(self.kept["fresh_change"])

    @property
    def slices(self) -> list[tuple[str, Figures, Figures, Share]]:
        """By source, brand and freshness."""
        return [
            (
                SLICES[part["value"]] if part["kind"] == "freshness" else f"{part['kind']} {part['value']}",
                Figures.of(part["champion"]),
                Figures.of(part["challenger"]),
                _change(part["change"]),
            )
            for part in self.kept["slices"][1:]
        ]


def figures(model: Model, trained: Sequence[Model]) -> Figures | None:
    """As its gate judged it, as its bundle tells, or as the champion of one of those; None where nobody knows.

    trained: what the last trainings made, the newest first.
    """
    if model.verdict:
        return Figures.of(model.verdict["slices"][0]["challenger"])
    metrics = model.facts.get("metrics") or {}
    if kept := next((metrics[name] for name in TESTS if name in metrics), None):
        return Figures.of(kept)
    verdict = _as_champion(model, trained)
    return Figures.of(verdict["slices"][0]["champion"]) if verdict else None


def calibration(model: Model, trained: Sequence[Model]) -> list[Sure]:
    """By how sure it was; of a version that no gate has judged so, by the class that it called."""
    verdict = model.verdict or _as_champion(model, trained) or {}
    if "reliability" in verdict:
        return _bins(verdict["reliability"][verdict["challenger"] == model.version])
    known = Calibration.of((model.facts.get("metrics") or {}).get("calibration"))
    if known is None:
        return []
    rows = known.found.sum(axis=1)
    return [
        _sure(f"called {name}", int(rows[k]), known.promised[k, k] / rows[k], known.found[k, k] / rows[k])
        for k, name in enumerate(LABELS)
        if rows[k]
    ]


def learned(model: Model) -> int | None:
    """How many labels of people it has learned from; None where that is not known."""
    fresh = (model.facts.get("snapshot") or {}).get("fresh", {}).get("train")
    return None if fresh is None else int(fresh)


def learning_curve(trained: Sequence[Model]) -> dict[str, Any]:
    """What labels bought, for js/chart.js. trained: oldest first. The first champion stands where there were none."""
    points: dict[int, tuple[Share, Share]] = {}
    for model in trained:
        if not model.verdict or (labels := learned(model)) is None:
            continue
        found = Compared.of(model.verdict)
        if not points and labels:
            points[0] = _figures_of(found, "champion")
        points[labels] = _figures_of(found, "challenger")
    counts = sorted(points)
    return {
        "x": counts,
        "x_kind": "number",
        "x_name": "Labels",
        "zoom": True,
        "series": [
            _line("Macro-recall, all rows", [points[count][0] for count in counts]),
            _line("Accuracy, fresh labels", [points[count][1] for count in counts]),
        ],
    }


def accuracy_curve(kinds: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    """Accuracy of what was judged at different times. kinds: what they were judged on -> runs."""
    found = sorted(((run.at, name, run) for name, runs in kinds.items() for run in runs), key=lambda one: one[0])
    series = []
    for kind in kinds:
        mine = [_around(run.accuracy, run.accuracy_error) if name == kind else NONE for _, name, run in found]
        if any(share.point is not None for share in mine):
            series.append({**_line(kind, mine), "spans": True, "why": [""] * len(mine)})
    return {"x": [int(at.timestamp()) for at, *_ in found], "zoom": True, "series": series}


def loss_curve(facts: dict[str, Any] | None) -> dict[str, Any]:
    """How a training goes or went, step by step."""
    history = (facts or {}).get("history") or []
    series = [{"name": "Loss", "point": [point["loss"] and round(point["loss"], 4) for point in history]}]
    if any(point["macro_recall"] is not None for point in history):
        recalls = [point["macro_recall"] and round(point["macro_recall"], 4) for point in history]
        series.append({"name": "Macro-recall on validation rows", "point": recalls})
    steps = [point["step"] for point in history]
    return {"x": steps, "x_kind": "number", "x_name": "Step", "unit": "number", "series": series}


def drift_curve(weeks: Sequence[tuple[datetime, dict[str, dict[str, Any]]]]) -> dict[str, Any]:
    """How far each feature is, where 1 is the limit of what chance explains. weeks: oldest first."""
    names = [name for name in ("classes", "length", "language", "vocabulary") if any(name in told for _, told in weeks)]
    series = [
        {"name": name.capitalize(), "point": [beyond(told[name]) if name in told else None for _, told in weeks]}
        for name in names
    ]
    limit = {"name": "Limit", "dash": True, "point": [1] * len(weeks)}
    x = [int(week.timestamp()) for week, _ in weeks]
    return {"x": x, "unit": "number", "series": [*series, limit]}


def beyond(figures: dict[str, Any]) -> float:
    """So many times the limit beyond which it is drift."""
    return round(float(figures["js"] / figures["limit"]), 2)


def _as_champion(model: Model, trained: Sequence[Model]) -> dict[str, Any] | None:
    """The newest verdict for which it was the champion."""
    verdicts = (one.verdict for one in trained if one.verdict)
    return next((verdict for verdict in verdicts if verdict["champion"] == model.version), None)


def _why(verdict: dict[str, Any]) -> str:
    change, low = verdict["change"], verdict["change"]["low"]
    if verdict["vetoes"]:
        return "Something speaks against it, whatever the other figures say."
    if verdict["promoted"] and low > 0:
        return "It finds the three classes better than the champion did, and chance does not explain that."
    if verdict["promoted"]:
        return "It is no worse on all rows, and more often right on the fresh labels."
    if change["high"] < 0:
        return "It finds the three classes less well than the champion."
    return "It was not shown to be better. More labels make smaller differences visible."


def _figures_of(found: Compared, who: str) -> tuple[Share, Share]:
    """Macro-recall on all rows, accuracy on fresh ones."""
    whole = found.before if who == "champion" else found.after
    fresh = [part[who] for part in found.kept["slices"] if part["value"] == "fresh"]
    return whole.macro_recall, Figures.of(fresh[0]).accuracy if fresh else NONE


def _around(point: float, error: float) -> Share:
    return Share(point, max(0.0, point - Z * error), min(1.0, point + Z * error))


def _change(kept: dict[str, float]) -> Share:
    return Share(kept["value"], kept["low"], kept["high"])


def _bins(kept: Sequence[dict[str, Any]]) -> list[Sure]:
    return [_sure(f"{one['confidence']:.0%} sure", one["n"], one["confidence"], one["accuracy"]) for one in kept]


def _sure(name: str, rows: int, promised: float, right: float) -> Sure:
    return Sure(name, rows, promised, wilson(right, rows))


def _line(name: str, shares: Sequence[Share]) -> dict[str, Any]:
    ends = {
        end: [value if (value := getattr(share, end)) is None else round(value, 4) for share in shares]
        for end in ("point", "low", "high")
    }
    return {"name": name, **ends}
