"""A small share of `make fuzz`, within a minute."""

from pathlib import Path

import pytest

from tests.fuzz import furnished, fuzz

pytestmark = pytest.mark.slow


def test_whatever_is_asked_the_answer_is_one_that_is_documented(tmp_path: Path) -> None:
    with furnished(tmp_path / "home") as stack:
        outcome = fuzz(stack, tmp_path, "--phases", "fuzzing", "--max-examples", "4", "--max-time", "45")
    assert outcome.cases > 100
    assert outcome.failures == 0, outcome.said
