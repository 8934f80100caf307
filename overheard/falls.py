"""Whether a model has become worse: what the last trainings produced, and how often it is right in service."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from statistics import NormalDist
from typing import Any, Final, Literal, Self, TypeAlias

import numpy as np

Figure: TypeAlias = Literal["accuracy", "macro_recall"]
Where: TypeAlias = Literal["trainings", "service", "estimated"]
FIGURES: Final[tuple[Figure, ...]] = ("accuracy", "macro_recall")
LEVEL: Final = 0.05


@dataclass(frozen=True)
class Run:
    """A model that was judged. accuracy, macro_recall: shares of 1, each with its standard error.

    job_id: the training that made it; empty for one that was not trained here. links: name -> where people read on.
    """

    version: str
    job_id: str
    at: datetime
    rows: int
    accuracy: float
    macro_recall: float
    accuracy_error: float
    macro_recall_error: float
    links: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "at": self.at.isoformat()}

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Self:
        """What `as_dict` gave."""
        return cls(**{**kept, "at": datetime.fromisoformat(kept["at"])})


@dataclass(frozen=True)
class Fall:
    """A figure is lower than it was at its best. fall: by how much; at_least: by how much for certain (95 %).

    where: among what the last `trainings` produced, of the model in `service` from check to check, or `estimated`
    without labels from week to week, on one brand's posts. limit: by how much it may fall.
    """

    where: Where
    figure: Figure
    fall: float
    at_least: float
    limit: float
    best: Run
    newest: Run
    brand_id: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "best": self.best.as_dict(), "newest": self.newest.as_dict()}

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Self:
        """What `as_dict` gave."""
        return replace(cls(**kept), best=Run.of(kept["best"]), newest=Run.of(kept["newest"]))

    def __str__(self) -> str:
        name, best = self.figure.replace("_", "-"), getattr(self.best, self.figure)
        return (
            f"{name} {getattr(self.newest, self.figure):.3f} ({self.newest.version}, {self.newest.rows:,} rows) "
            f"is {100 * self.fall:.1f} points below {best:.3f} ({self.best.version}, {self.best.rows:,} rows)"
        )


def find(where: Where, runs: Sequence[Run], limit: float, brand_id: int | None = None) -> list[Fall]:
    """How the newest of these runs has fallen by more than `limit` against the best of those before, if it has.

    runs: the newest first. A fall counts when chance does not explain it: at the 5 % level, one-sided, corrected for
    how many runs the best was chosen from. Runs that were judged on the same rows differ less by chance than that.
    """
    found = _falls(where, runs, limit) if len(runs) > 1 else ()
    return [replace(fall, brand_id=brand_id) for fall in found]


def _falls(where: Where, runs: Sequence[Run], limit: float) -> Iterator[Fall]:
    newest, earlier = runs[0], runs[1:]
    sure = NormalDist().inv_cdf(1 - LEVEL / len(earlier))
    for figure in FIGURES:
        best = max(earlier, key=lambda run: float(getattr(run, figure)))
        fall = getattr(best, figure) - getattr(newest, figure)
        error = float(np.hypot(getattr(best, f"{figure}_error"), getattr(newest, f"{figure}_error")))
        at_least = fall - sure * error
        if fall > limit and at_least > 0:
            yield Fall(where, figure, round(fall, 6), round(at_least, 6), limit, best, newest)


def errors(confusion: Sequence[Sequence[int]]) -> dict[str, float]:
    """Standard errors of `accuracy` and `macro_recall`; confusion: rows are the true classes, columns the called ones.

    Of shares to which half a hit and half a miss were added, so that three hits of three are no certainty.
    """
    counts = np.asarray(confusion, np.float64)
    rows, hits = counts.sum(axis=1), np.diag(counts)
    present = rows > 0
    recalls = _variance(hits[present], rows[present])
    accuracy = _variance(hits.sum(keepdims=True), rows.sum(keepdims=True))
    return {"accuracy": float(np.sqrt(accuracy[0])), "macro_recall": float(np.sqrt(recalls.sum()) / present.sum())}


def _variance(hits: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    share = (hits + 0.5) / (rows + 1)
    return np.asarray(share * (1 - share) / rows)
