"""Which texts share a forward pass."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overheard.scoring.batches import plan

lengths_of_texts = st.lists(st.integers(min_value=1, max_value=128), max_size=200)
budgets = st.integers(min_value=1, max_value=2048)


def test_nothing_needs_no_pass() -> None:
    assert plan([], 1024) == []


def test_texts_of_similar_length_share_a_pass() -> None:
    assert [batch.tolist() for batch in plan([9, 2, 10, 3], 20)] == [[1, 3], [0, 2]]


def test_padding_counts() -> None:
    assert [batch.tolist() for batch in plan([1, 10], 19)] == [[0], [1]]
    assert [batch.tolist() for batch in plan([1, 10], 20)] == [[0, 1]]


def test_a_text_longer_than_the_budget_goes_alone() -> None:
    assert [batch.tolist() for batch in plan([50, 4, 4], 10)] == [[1, 2], [0]]


def test_texts_of_one_length_keep_their_order() -> None:
    assert [batch.tolist() for batch in plan([5] * 6, 15)] == [[0, 1, 2], [3, 4, 5]]


@given(lengths_of_texts, budgets)
def test_every_text_is_scored_once(lengths: list[int], budget: int) -> None:
    assert sorted(index for batch in plan(lengths, budget) for index in batch) == list(range(len(lengths)))


@given(lengths_of_texts, budgets)
def test_no_pass_exceeds_its_budget_unless_one_text_does(lengths: list[int], budget: int) -> None:
    for batch in plan(lengths, budget):
        assert len(batch) == 1 or max(lengths[index] for index in batch) * len(batch) <= budget


@given(lengths_of_texts.filter(bool), budgets)
def test_a_pass_ends_only_where_the_next_text_would_not_fit(lengths: list[int], budget: int) -> None:
    batches = plan(lengths, budget)
    for batch, following in pairwise(batches):
        assert (len(batch) + 1) * lengths[following[0]] > budget


@pytest.mark.parametrize("budget", [1, 1024])
def test_one_text_is_one_pass(budget: int) -> None:
    assert [batch.tolist() for batch in plan([7], budget)] == [[0]]
