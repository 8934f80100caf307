"""How `overheard sentiment` says a share: to as many digits as it is worth."""

from typing import Any

import pytest

from overheard.cli.sentiment import lines, rounded


@pytest.mark.parametrize(
    ("point", "low", "high", "said"),
    [
        (0.314, 0.27, 0.35, "31 % ± 4"),
        (0.02, 0.01, 0.09, "2 % ± 7"),
        (0.5004, 0.4972, 0.5031, "50.0 % ± 0.3"),
        (0.0, 0.0, 0.0, "0.0 % ± 0.1"),
        (None, None, None, "unknown"),
    ],
)
def test_a_share_has_as_many_digits_as_it_is_worth(
    point: float | None, low: float | None, high: float | None, said: str
) -> None:
    assert rounded({"point": point, "low": low, "high": high}) == said


def test_a_change_has_its_sign() -> None:
    assert rounded({"point": 0.05, "low": -0.01, "high": 0.11}, sign="+") == "+5 % ± 6"
    assert rounded({"point": -0.05, "low": -0.11, "high": 0.01}, sign="+") == "-5 % ± 6"


def test_what_a_share_rests_on_is_told_and_so_are_gaps() -> None:
    share = {"point": 0.3, "low": 0.25, "high": 0.35}
    total = {
        "since": "2026-11-01T00:00:00Z",
        "until": "2026-11-08T00:00:00Z",
        "posts": 1234,
        "shares": {"negative": share, "neutral": share, "positive": share},
        "method": "corrected",
        "audits": 0,
        "versions": {"a": 1000, "b": 234},
    }
    nothing = dict.fromkeys(("point", "low", "high"))
    change = {"shares": {"negative": share, "neutral": nothing, "positive": nothing}}
    gap = {"source": "x", "since": "2026-11-02T10:00:00Z", "until": "2026-11-02T12:00:00Z", "reason": "X was down"}
    found: dict[str, Any] = {"total": total, "change": change, "points": [total] * 7, "gaps": [gap] * 12}
    said = lines("Acme", found)
    assert said[0] == "Acme, 2026-11-01 to 2026-11-08: 1,234 posts"
    assert said[1] == "  negative 30 % ± 5   +30 % ± 5 against the 7 days before"
    assert said[2] == "  neutral  30 % ± 5"
    assert "not audited" in said[4]
    assert "2 model versions" in said[5]
    assert said[6] == "  not everything was heard: x, 2026-11-02T10:00 to 2026-11-02T12:00: X was down"
    assert said[-1] == "  and 2 more gaps"
