"""95 % intervals of shares and of their differences that hold for small samples and for shares near 0 and 1."""

import math
from dataclasses import dataclass
from typing import Any, Final

Z: Final = 1.959964
"""Of the normal distribution: 95 % lie within so many standard deviations."""


@dataclass(frozen=True)
class Share:
    """A share of 1, or a difference of two, and its 95 % interval; None where there is none that would be valid."""

    point: float | None
    low: float | None
    high: float | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"point": self.point, "low": self.low, "high": self.high}


NONE: Final = Share(None, None, None)


def quantile(freedom: float) -> float:
    """The 97.5 % quantile of Student's t, to 0.01 from 4 degrees of freedom up (Cornish-Fisher expansion)."""
    z, v = Z, max(freedom, 4.0)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / v + second / v**2 + third / v**3


def wilson(point: float, worth: float, z: float = Z) -> Share:
    """The interval of a share that is as sure as one counted in a random sample of `worth` posts, inf for known.

    Wilson, Probable inference, JASA 22 (1927); with an effective sample size for designs that are not simple: Korn &
    Graubard, Survey Methodology 24 (1998); Dean & Pagano, Journal of Survey Statistics and Methodology 3 (2015).
    """
    point = min(max(point, 0.0), 1.0)
    ratio = z * z / worth
    middle = (point + ratio / 2) / (1 + ratio)
    half = math.sqrt(ratio * point * (1 - point) + ratio * ratio / 4) / (1 + ratio)
    return Share(point, min(point, max(0.0, middle - half)), max(point, min(1.0, middle + half)))


def difference(one: Share, other: Share, correlation: float = 0.0) -> Share:
    """one - other, from their own intervals; NONE when one of them has none. correlation: of the two estimates.

    Newcombe, Interval estimation for the difference between independent proportions, Statistics in Medicine 17 (1998);
    for dependent ones: Zou & Donner, Construction of confidence limits about effect measures, ibid. 27 (2008).
    """
    if one.point is None or one.low is None or one.high is None:
        return NONE
    if other.point is None or other.low is None or other.high is None:
        return NONE
    point = one.point - other.point
    down = _together(one.point - one.low, other.high - other.point, correlation)
    up = _together(one.high - one.point, other.point - other.low, correlation)
    return Share(point, max(-1.0, point - down), min(1.0, point + up))


def _together(first: float, second: float, correlation: float) -> float:
    return math.sqrt(max(0.0, first * first + second * second - 2 * correlation * first * second))
