"""Texts laid one behind the other for a pass on a device."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from overheard.scoring.gpu.packing import RECORDED, Shape, pack, recorded_shape

LIMIT = 16
batches = st.lists(st.lists(st.integers(1, 1000), min_size=1, max_size=LIMIT), min_size=1, max_size=40)


@given(batches, st.integers(0, 3))
def test_every_token_lies_in_its_text_and_knows_its_place(batch: list[list[int]], first_position: int) -> None:
    tokens = sum(map(len, batch))
    words = pack(batch, Shape(tokens, len(batch)), first_position, LIMIT)
    ids, positions, bounds = words[:tokens], words[tokens : 2 * tokens], words[2 * tokens :]
    texts = [slice(start, end) for start, end in pairwise(bounds)]
    assert [ids[text].tolist() for text in texts] == batch
    assert all(
        positions[text].tolist() == list(range(first_position, first_position + len(ids[text]))) for text in texts
    )


@given(batches)
def test_what_fills_a_shape_is_made_of_texts_that_the_model_could_read(batch: list[list[int]]) -> None:
    tokens = sum(map(len, batch))
    shape = recorded_shape(tokens, len(batch), LIMIT)
    if shape is None:
        assert tokens > RECORDED[-1].tokens or len(batch) * 8 > tokens
        return
    words = pack(batch, shape, 0, LIMIT)
    bounds = words[2 * shape.tokens :]
    assert len(words) == shape.size
    assert (bounds[0], bounds[-1]) == (0, shape.tokens)
    assert ((bounds[1:] - bounds[:-1]) >= 0).all()
    assert ((bounds[1:] - bounds[:-1]) <= LIMIT).all()
    assert words[shape.tokens : 2 * shape.tokens].max() < LIMIT
    assert words[:tokens].tolist() == [token for text in batch for token in text]


def test_a_pass_too_large_for_a_recording_has_none() -> None:
    assert recorded_shape(RECORDED[-1].tokens, 100, LIMIT * 8) == RECORDED[-1]
    assert recorded_shape(RECORDED[-1].tokens + 1, 100, LIMIT * 8) is None
    assert recorded_shape(100, 1000, LIMIT) is None
