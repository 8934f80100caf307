"""The arithmetic of `bench.estimates`: brands whose truth is known, audited again and again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from overheard.aggregates import Floats, summary
from overheard.estimates import Audits, Estimate, Share, Taught, estimate, estimate_each
from overheard.intervals import wilson
from overheard.performance import Calibration, expected

AUDITS: Final = (50, 100)
POOLED_AUDITS: Final = 200
DRAWS: Final = 100


@dataclass(frozen=True)
class Brand:
    """Posts with people's labels. probabilities (n, 3), labels (n,)."""

    name: str
    probabilities: Floats
    labels: NDArray[np.int64]

    @property
    def truth(self) -> Floats:
        """(3,) shares."""
        return np.bincount(self.labels, minlength=3) / len(self.labels)


@dataclass(frozen=True)
class Model:
    """What its bundle's manifest knows of the model that read a stream."""

    taught: Taught
    calibration: Calibration


def pooled(brands: Sequence[Brand], name: str) -> Brand:
    """All posts as one brand's."""
    return Brand(name, *(np.concatenate([getattr(b, key) for b in brands]) for key in ("probabilities", "labels")))


def draw(rng: np.random.Generator, brand: Brand, count: int) -> Audits:
    """Of posts taken at random."""
    posts = len(brand.labels)
    chosen = rng.choice(posts, min(count, posts), replace=False)
    strata, sizes = np.zeros(len(chosen), np.int64), np.array([posts])
    return Audits(brand.probabilities[chosen], brand.labels[chosen], strata, sizes, np.array([len(chosen)]))


def unaudited(brand: Brand, model: Model) -> dict[str, list[list[float]]]:
    """Of the raw and the corrected shares: error, whether the interval holds the truth, half its width; per class."""
    counted = summary(brand.probabilities)
    found = estimate(counted, taught=model.taught)
    raw = [wilson(share, counted.posts) for share in found.raw or ()]
    return {"raw": _judged(raw, brand.truth), "corrected": _judged(found.shares, brand.truth)}


def audited(brand: Brand, model: Model, count: int, draws: int, seed: int = 0) -> dict[str, list[list[float]]]:
    """The same after so many audits, and by labels alone; means over draws, errors absolute."""
    rng, nothing = np.random.default_rng(seed), np.full((len(brand.labels), 3), 1 / 3)
    drawn = [draw(rng, brand, count) for _ in range(draws)]
    blind = [Audits(nothing[: len(a)], a.labels, a.strata, a.sizes, a.answered) for a in drawn]
    ways = {"audited": (brand.probabilities, drawn), "alone": (nothing, blind)}
    found = {}
    for name, (probabilities, samples) in ways.items():
        counted = [summary(probabilities)] * draws
        told = estimate_each(counted, [(sample, None) for sample in samples], taught=model.taught)
        found[name] = _mean([_judged(one.shares, brand.truth) for one in told])
    return found


def _judged(shares: Sequence[Share], truth: Floats) -> list[list[float]]:
    rows = []
    for share, true in zip(shares, truth.tolist(), strict=True):
        point, low, high = share.point or 0.0, share.low or 0.0, share.high if share.high is not None else 1.0
        rows.append([point - true, float(low - 1e-9 <= true <= high + 1e-9), (high - low) / 2])
    return rows


def _mean(judged: Sequence[list[list[float]]]) -> list[list[float]]:
    numbers = np.array(judged)
    numbers[..., 0] = np.abs(numbers[..., 0])
    return [[float(value) for value in row] for row in numbers.mean(axis=0)]


def stream(name: str, brands: Sequence[Brand], model: Model, draws: int = DRAWS) -> dict[str, Any]:
    """All figures of a stream, for JSON: means over brands and classes, in shares of 1."""
    free = [unaudited(brand, model) for brand in brands]
    ways = {way: _told([one[way] for one in free]) for way in ("raw", "corrected")}
    for count in AUDITS:
        of_brands = [audited(brand, model, count, draws, seed) for seed, brand in enumerate(brands)]
        ways |= {f"{way}-{count}": _told([one[way] for one in of_brands]) for way in ("audited", "alone")}
    whole = [audited(pooled(brands, name), model, POOLED_AUDITS, max(draws, 200))]
    ways |= {f"{way}-{POOLED_AUDITS}": _told([one[way] for one in whole]) for way in ("audited", "alone")}
    posts = sum(len(brand.labels) for brand in brands)
    return {"name": name, "brands": len(brands), "posts": posts, "ways": ways, "accuracy": promises(brands, model)}


def _told(judged: Sequence[list[list[float]]]) -> dict[str, float]:
    """bias: of each class its mean signed error over brands, without its sign, averaged over classes."""
    numbers = np.array(judged)
    error, held, half = numbers[..., 0], numbers[..., 1], numbers[..., 2]
    return {
        "error": float(np.abs(error).mean()),
        "bias": float(np.abs(error.mean(axis=0)).mean()),
        "coverage": float(held.mean()),
        "half": float(half.mean()),
    }


def promises(brands: Sequence[Brand], model: Model) -> dict[str, float]:
    """Expected accuracy against what it was. floor: the mean absolute miss of one who knows the true accuracy of such
    posts, from chance alone. uncalibrated: the signed miss without what held-out rows showed."""
    misses, plain, floors, held = [], [], [], []
    for brand in brands:
        true = float((brand.probabilities.argmax(axis=1) == brand.labels).mean())
        counted = summary(brand.probabilities)
        share = expected(counted, model.calibration).accuracy
        if share.point is None or share.low is None or share.high is None:
            continue
        misses.append(share.point - true)
        plain.append((expected(counted).accuracy.point or 0.0) - true)
        floors.append(float(np.sqrt(2 / np.pi * true * (1 - true) / len(brand.labels))))
        held.append(float(share.low <= true <= share.high))
    numbers = {"signed": np.mean(misses), "absolute": np.mean(np.abs(misses)), "floor": np.mean(floors)}
    numbers |= {"uncalibrated": np.mean(plain), "coverage": np.mean(held)}
    return {name: float(value) for name, value in numbers.items()}


def shown(brand: Brand, model: Model, count: int) -> dict[str, Any]:
    """One brand's negative share, for the picture: as called, corrected, and after one draw of audits."""
    counted = summary(brand.probabilities)
    corrected = estimate(counted, taught=model.taught)
    people: Estimate = estimate(counted, draw(np.random.default_rng(0), brand, count), taught=model.taught)
    return {
        "name": brand.name,
        "posts": len(brand.labels),
        "truth": float(brand.truth[0]),
        "raw": (corrected.raw or (0.0,))[0],
        "corrected": corrected.shares[0].as_dict(),
        "audited": people.shares[0].as_dict(),
    }
