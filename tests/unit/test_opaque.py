"""Names of rows that tell nothing."""

from itertools import pairwise

import pytest

from overheard.opaque import seal, unseal

SECRET = b"a secret of the tests"


@pytest.mark.parametrize("number", [0, 1, 2, 10**9, 2**63 - 1, 2**64 - 1])
def test_a_sealed_number_comes_back(number: int) -> None:
    assert unseal(seal(number, SECRET), SECRET) == number


def test_names_are_unique_and_in_no_order() -> None:
    names = [seal(number, SECRET) for number in range(1000)]
    assert len(set(names)) == 1000
    rises = sum(one < other for one, other in pairwise(names))
    assert 420 < rises < 580
    bits = sum(bin(int(seal(n, SECRET), 16) ^ int(seal(n + 1, SECRET), 16)).count("1") for n in range(500)) / 500
    assert 30 < bits < 34


def test_another_secret_gives_other_names() -> None:
    assert seal(7, SECRET) != seal(7, b"another")


@pytest.mark.parametrize("name", ["", "7", "g" * 16, "a" * 17])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        unseal(name, SECRET)
