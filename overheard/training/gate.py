"""The promotion gate: whether a challenger takes the champion's place, and why. A pure function of what was measured.

A challenger is promoted when nothing speaks against it (a veto) and one of two things speaks for it:

1. its macro-recall on all test rows is better: the paired 95 % interval of the change lies above zero;
2. its macro-recall is not worse (that interval lies above -`max_recall_loss`), and it is better on fresh labels.

Fresh labels bring a brand's own language and prior: accuracy and macro-F1 gain several points where macro-recall gains
one, and few dozen rows may have to show it. So "better" there means more accurate, by a one-sided bound of
`fresh_confidence`, while macro-F1 does not fall. Accuracy is the least noisy of the three; macro-F1 stops a model that
only learned which class is frequent. The bound is 80 %: at 95 % a gain of six points on 100 rows is missed more often
than seen and labelling would change nothing, while a mistake only lets in a challenger that is not worse on all rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from overheard.evaluation import Bin, Evaluation, evaluate, reliability
from overheard.scoring.bundle import LABELS
from overheard.settings import Settings
from overheard.training.paired import Hits, Interval, holm, p_value, resampled_change

Floats: TypeAlias = NDArray[np.floating]
Labels: TypeAlias = NDArray[np.integer]
Names: TypeAlias = NDArray[np.str_]


@dataclass(frozen=True)
class Thresholds:
    """What decides: shares of 1 and numbers of rows. The first five are settings of the same names."""

    max_slowdown: float = 1.5
    max_recall_loss: float = 0.01
    max_slice_fall: float = 0.02
    min_slice_rows: int = 200
    min_test_rows: int = 300
    min_fresh_rows: int = 30
    confidence: float = 0.95
    fresh_confidence: float = 0.8

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those that an operator has set, and the others' defaults."""
        return cls(
            max_slowdown=settings.max_slowdown,
            max_recall_loss=settings.max_recall_loss,
            max_slice_fall=settings.max_slice_fall,
            min_slice_rows=settings.min_slice_rows,
            min_test_rows=settings.min_test_rows,
        )


@dataclass(frozen=True)
class Judged:
    """A model on the test rows: (N, 3) calibrated probabilities as it serves them, and the time that a message took."""

    version: str
    probabilities: Floats
    ms_per_message: float


@dataclass(frozen=True)
class Exam:
    """The test rows: (N,) true classes, whether each is a fresh label, its source, its brand ("" for none).

    Raises ValueError when there are none, when the columns differ in length, or when a class is unknown.
    """

    labels: Labels
    fresh: Hits
    sources: Names
    brands: Names

    def __post_init__(self) -> None:
        shapes = [column.shape for column in (self.labels, self.fresh, self.sources, self.brands)]
        if self.labels.ndim != 1 or not self.labels.size or len(set(shapes)) > 1:
            raise ValueError(f"test rows can't have columns of the shapes {shapes}")
        if not np.isin(self.labels, range(len(LABELS))).all():
            raise ValueError(f"labels of test rows must be 0 to {len(LABELS) - 1}")

    def slices(self) -> Iterator[tuple[str, str, Hits]]:
        """Kind, value and (N,) membership of every slice that has rows."""
        for kind, values in (("source", self.sources), ("brand", self.brands)):
            yield from ((kind, str(value), values == value) for value in np.unique(values) if value)
        for value, rows in (("fresh", self.fresh), ("base", ~self.fresh)):
            if rows.any():
                yield "freshness", value, rows


@dataclass(frozen=True)
class Slice:
    """Both models on some of the test rows."""

    kind: str
    """`all`, `source`, `brand` or `freshness`."""
    value: str
    champion: Evaluation
    challenger: Evaluation
    change: Interval
    """Of macro-recall over the classes that occur here, with 95 % confidence."""
    p_fall: float
    """p-value of the hypothesis that it fell by `max_slice_fall` at most."""


@dataclass(frozen=True)
class Verdict:
    """What was decided. Reasons and vetoes are plain sentences with their figures; one veto is decisive."""

    promoted: bool
    reasons: tuple[str, ...]
    vetoes: tuple[str, ...]
    champion: str
    challenger: str
    ms_per_message: tuple[float, float]
    """Of the champion and of the challenger."""
    change: Interval
    """Of macro-recall on all test rows, with 95 % confidence."""
    fresh_change: Interval | None
    """Of accuracy on fresh rows; each end is a one-sided bound of `fresh_confidence`. None when they are too few."""
    slices: tuple[Slice, ...]
    """All test rows, then the slices by source, brand and freshness, small ones included."""
    reliability: tuple[tuple[Bin, ...], tuple[Bin, ...]]
    """How sure champion and challenger are on all test rows, and how often they are right."""

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON: lists for tuples, and each evaluation as its own `as_dict` gives it."""
        parts = [
            asdict(part) | {"champion": part.champion.as_dict(), "challenger": part.challenger.as_dict()}
            for part in self.slices
        ]
        return asdict(self) | {
            "reasons": list(self.reasons),
            "vetoes": list(self.vetoes),
            "ms_per_message": list(self.ms_per_message),
            "slices": parts,
            "reliability": [[asdict(one) for one in bins] for bins in self.reliability],
        }


def decide(
    exam: Exam,
    champion: Judged,
    challenger: Judged,
    thresholds: Thresholds,
    *,
    leaked_rows: int,
    allow_slower: bool,
    seed: int = 0,
) -> Verdict:
    """Judge both models on the same rows. Equal arguments give equal verdicts.

    leaked_rows: test rows that are in the challenger's training data. allow_slower: slowness does not veto.
    Raises ValueError when probabilities are not finite or not (N, 3), or a time is not above 0.
    """
    _check(exam, champion)
    _check(exam, challenger)
    bench = _Bench(exam, champion, challenger, thresholds, np.random.default_rng(seed))
    whole = bench.compare("all", "", np.ones(len(exam.labels), dtype=np.bool_))
    slices = [bench.compare(*part) for part in exam.slices()]
    fresh_change = bench.fresh_change()
    fresh = next((part for part in slices if (part.kind, part.value) == ("freshness", "fresh")), None)
    is_better, recall_reason = _recall(whole, thresholds)
    is_promising, fresh_reason = _fresh(fresh, fresh_change, thresholds)
    is_not_worse = whole.change.low > -thresholds.max_recall_loss
    vetoes = [
        *_void(exam, champion, challenger, thresholds, leaked_rows),
        *([] if allow_slower else _slow(champion, challenger, thresholds)),
        *_falls(slices, thresholds),
    ]
    return Verdict(
        promoted=not vetoes and (is_better or (is_not_worse and is_promising)),
        reasons=(recall_reason, fresh_reason),
        vetoes=tuple(vetoes),
        champion=champion.version,
        challenger=challenger.version,
        ms_per_message=(champion.ms_per_message, challenger.ms_per_message),
        change=whole.change,
        fresh_change=fresh_change,
        slices=(whole, *slices),
        reliability=(
            reliability(champion.probabilities, exam.labels),
            reliability(challenger.probabilities, exam.labels),
        ),
    )


@dataclass(frozen=True)
class _Bench:
    """Both models side by side on the same rows."""

    exam: Exam
    champion: Judged
    challenger: Judged
    thresholds: Thresholds
    generator: np.random.Generator

    def compare(self, kind: str, value: str, rows: Hits) -> Slice:
        labels = self.exam.labels[rows]
        champion, challenger = (
            evaluate(model.probabilities[rows], labels) for model in (self.champion, self.challenger)
        )
        resampled = resampled_change(*self._hits(rows), labels, self.generator)
        gain = challenger.macro_recall - champion.macro_recall
        change = Interval.of(gain, resampled, self.thresholds.confidence)
        return Slice(kind, value, champion, challenger, change, p_value(resampled, -self.thresholds.max_slice_fall))

    def fresh_change(self) -> Interval | None:
        rows = self.exam.fresh
        if np.count_nonzero(rows) < self.thresholds.min_fresh_rows:
            return None
        before, after = self._hits(rows)
        resampled = resampled_change(before, after, np.zeros(len(before), dtype=np.intp), self.generator)
        return Interval.of(float(after.mean() - before.mean()), resampled, 2 * self.thresholds.fresh_confidence - 1)

    def _hits(self, rows: Hits) -> tuple[Hits, Hits]:
        labels = self.exam.labels[rows]
        before, after = (
            model.probabilities[rows].argmax(axis=1) == labels for model in (self.champion, self.challenger)
        )
        return before, after


def _check(exam: Exam, model: Judged) -> None:
    expected = (len(exam.labels), len(LABELS))
    if model.probabilities.shape != expected or not np.isfinite(model.probabilities).all():
        raise ValueError(f"{model.version}: probabilities must be finite, of the shape {expected}")
    if not model.ms_per_message > 0:
        raise ValueError(f"{model.version}: {model.ms_per_message} ms per message is no time")


def _recall(whole: Slice, thresholds: Thresholds) -> tuple[bool, str]:
    """Whether macro-recall is better, and the sentence that says so."""
    change = whole.change
    if change.low > 0:
        finding = "better"
    elif change.low > -thresholds.max_recall_loss:
        finding = "not worse"
    else:
        finding = f"a loss of more than {_points(thresholds.max_recall_loss)} can't be excluded"
    return change.low > 0, f"{_recalls(whole, thresholds)}: {finding}"


def _fresh(fresh: Slice | None, change: Interval | None, thresholds: Thresholds) -> tuple[bool, str]:
    """Whether fresh labels are judged better, and the sentence that says so."""
    if fresh is None or change is None:
        count = fresh.champion.n if fresh else 0
        return False, f"fresh labels: {count} are no proof, at least {thresholds.min_fresh_rows} are needed"
    before, after = fresh.champion, fresh.challenger
    is_better = change.low > 0 and after.macro_f1 >= before.macro_f1
    reason = (
        f"fresh labels: accuracy {after.accuracy:.3f} against {before.accuracy:.3f} on {before.n:,} rows: "
        f"{_signed(change.value)} points, at least {_signed(change.low)} with {_percent(thresholds.fresh_confidence)} "
        f"confidence; macro-F1 {after.macro_f1:.3f} against {before.macro_f1:.3f}: "
    )
    return is_better, reason + ("better" if is_better else "not shown to be better")


def _void(exam: Exam, champion: Judged, challenger: Judged, thresholds: Thresholds, leaked_rows: int) -> Iterator[str]:
    """Why this comparison can't promote anything, whatever its figures."""
    if champion.version == challenger.version:
        yield f"weights are unchanged: both models are {champion.version}"
    if leaked_rows:
        yield f"{leaked_rows:,} test rows are in the training data, so the figures are too good"
    if (count := len(exam.labels)) < thresholds.min_test_rows:
        yield f"{count:,} test rows prove nothing: at least {thresholds.min_test_rows:,} are needed"
    for label, name in enumerate(LABELS):
        if not (exam.labels == label).any():
            yield f"no test row is {name}, so nothing says whether such messages are still found"


def _slow(champion: Judged, challenger: Judged, thresholds: Thresholds) -> Iterator[str]:
    ratio = challenger.ms_per_message / champion.ms_per_message
    if ratio > thresholds.max_slowdown:
        times = f"{challenger.ms_per_message:.2f} ms per message against {champion.ms_per_message:.2f}"
        yield f"slower: {times} is {ratio:.2f} times as long, more than {thresholds.max_slowdown:g} times"


def _falls(slices: Sequence[Slice], thresholds: Thresholds) -> Iterator[str]:
    """The slices with rows enough that fell for certain, corrected for how many there are."""
    judged = [part for part in slices if part.champion.n >= thresholds.min_slice_rows]
    fell = holm([part.p_fall for part in judged], 1 - thresholds.confidence)
    for part in (part for part, has_fallen in zip(judged, fell, strict=True) if has_fallen):
        limit = f"more than {_points(thresholds.max_slice_fall)} for certain (corrected for {len(judged)} slices)"
        yield f"{part.kind} {part.value} fell by {limit}: {_recalls(part, thresholds)}"


def _recalls(part: Slice, thresholds: Thresholds) -> str:
    change = part.change
    return (
        f"macro-recall {part.challenger.macro_recall:.3f} against {part.champion.macro_recall:.3f} "
        f"on {part.champion.n:,} rows: {_signed(change.value)} points, "
        f"{_percent(thresholds.confidence)} interval {_signed(change.low)} to {_signed(change.high)}"
    )


def _signed(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:+.1f}"  # no -0.0


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _percent(share: float) -> str:
    return f"{100 * share:g} %"
