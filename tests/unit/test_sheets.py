"""CSV that comes back as it was, and that no spreadsheet runs."""

import csv
import io

import pytest

from overheard.sheets import line


@pytest.mark.parametrize("text", ["=1+1", "+49 30", "-2 degrees", "@someone", "\tx", "\rx", '=HYPERLINK("http://x")'])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    (row,) = csv.reader(io.StringIO(line([text, 1]), newline=""))
    assert row == [f"'{text}", "1"]


@pytest.mark.parametrize(
    "text", ["a, b", 'she said "no"', "two\nlines", "a = b", "", "1-1", "ärger 🙂", "-12.5", "+3e7", "'quoted'"]
)
def test_other_texts_come_back_as_they_were(text: str) -> None:
    (row,) = csv.reader(io.StringIO(line([text, "next"]), newline=""))
    assert row == [text, "next"]


def test_numbers_stay_numbers() -> None:
    assert line([-1, 0.25, ""]) == "-1,0.25,\r\n"
