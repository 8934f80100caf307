"""int8 weights: near the float ones, and exact on CPUs that add two products in 16 bits."""

import numpy as np
import pytest

from overheard.training.quantise import PAIR_LIMIT, quantise_columns, quantise_rows


@pytest.mark.parametrize("shape", [(64, 40), (65, 7), (1, 3), (384, 96)])
def test_two_neighbours_of_a_column_never_leave_16_bits(shape: tuple[int, int]) -> None:
    whole, _ = quantise_columns(np.random.default_rng(0).standard_t(3, shape).astype(np.float32))
    padded = np.pad(whole.astype(int), ((0, len(whole) % 2), (0, 0))).reshape(-1, 2, shape[1])
    assert 255 * np.maximum(padded, 0).sum(axis=1).max() <= np.iinfo(np.int16).max
    assert 255 * np.minimum(padded, 0).sum(axis=1).min() >= np.iinfo(np.int16).min
    assert np.abs(padded.sum(axis=1)).max() <= PAIR_LIMIT


def test_columns_are_nearer_to_their_weights_than_seven_bits_would_be() -> None:
    weight = np.random.default_rng(1).normal(size=(384, 200)).astype(np.float32)
    whole, scale = quantise_columns(weight)
    error = np.sqrt(np.square(whole * scale - weight).mean())
    seven = np.abs(weight).max(axis=0) / 64
    assert error < 0.75 * np.sqrt(np.square(np.rint(weight / seven) * seven - weight).mean())


def test_a_column_of_nothing_stays_nothing() -> None:
    whole, scale = quantise_columns(np.zeros((8, 2), dtype=np.float32))
    assert not whole.any()
    assert (scale > 0).all()


def test_rows_use_all_of_their_range() -> None:
    table = np.random.default_rng(2).normal(size=(20, 30)).astype(np.float32)
    whole, scale = quantise_rows(table)
    assert (np.abs(whole).max(axis=1) == 127).all()
    assert np.abs(whole * scale - table).max() <= scale.max() / 2
