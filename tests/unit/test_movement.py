"""Why a share moved: three parts that sum to the change, each what was planted."""

import numpy as np
import pytest

from overheard import movement
from overheard.movement import Cell, Comparison

OLD = [Cell("x", "m1", 800, 160.0), Cell("rss", "m1", 200, 100.0)]


def total(cells: list[Cell]) -> float:
    return sum(cell.total for cell in cells) / sum(cell.posts for cell in cells)


def test_another_mix_of_sources_is_no_mood() -> None:
    found = movement.split(OLD, [Cell("x", "m1", 200, 40.0), Cell("rss", "m1", 800, 400.0)], [])
    assert found.mix.value == pytest.approx(0.18)
    assert found.mood.value == pytest.approx(0)
    assert found.model is not None
    assert found.model.value == 0
    assert found.mix.low > 0.1
    assert found.mood.low < 0 < found.mood.high


def test_another_mood_is_told_with_the_source_that_turned() -> None:
    found = movement.split(OLD, [Cell("x", "m1", 800, 320.0), Cell("rss", "m1", 200, 100.0)], [])
    assert found.mood.value == pytest.approx(0.16)
    assert found.mix.value == pytest.approx(0)
    assert found.mood.low > 0.1
    first, second = found.sources
    assert (first.source, first.mood) == ("x", pytest.approx(0.16))
    assert (first.before.value, first.after.value) == (pytest.approx(0.2), pytest.approx(0.4))
    assert second.mood == pytest.approx(0)


def test_a_swap_of_models_does_not_look_like_a_crisis() -> None:
    """The new version reads 10 points more of the class into everything, and nothing else has changed."""
    after = [Cell("x", "m2", 800, 240.0), Cell("rss", "m2", 200, 120.0)]
    read_by_both = [Comparison("x", "m1", 500, 0.1, 0.01), Comparison("rss", "m1", 300, 0.1, 0.01)]
    found = movement.split(OLD, after, read_by_both)
    assert found.change.value == pytest.approx(0.1)
    assert found.model is not None
    assert found.model.value == pytest.approx(0.1)
    assert found.mood.value == pytest.approx(0)
    assert found.model.low > 0.08
    assert found.mood.low < 0 < found.mood.high


def test_where_no_post_was_read_by_both_versions_model_and_mood_are_not_told_apart() -> None:
    after = [Cell("x", "m2", 800, 240.0), Cell("rss", "m2", 200, 120.0)]
    for few in ([], [Comparison("x", "m1", movement.LEAST_COMPARED - 1, 0.1, 0.01)]):
        found = movement.split(OLD, after, few)
        assert found.model is None
        assert found.mood.value == pytest.approx(0.1)


def test_a_source_without_posts_of_its_own_that_both_read_borrows_from_all() -> None:
    after = [Cell("x", "m2", 800, 240.0), Cell("rss", "m2", 200, 120.0)]
    found = movement.split(OLD, after, [Comparison("x", "m1", 500, 0.1, 0.01), Comparison("rss", "m1", 3, 0.9, 0.01)])
    assert found.model is not None
    assert found.model.value == pytest.approx(0.1 * 0.8 + 0.2 * (500 * 0.1 + 3 * 0.9) / 503)


def test_a_new_source_is_mix_and_a_silent_one_has_no_mood() -> None:
    found = movement.split(OLD[:1], [*OLD[:1], Cell("rss", "m1", 200, 100.0)], [])
    assert found.mix.value == pytest.approx(found.change.value)
    assert found.mood.value == pytest.approx(0)
    gone = movement.split(OLD, OLD[:1], [])
    assert gone.mix.value == pytest.approx(gone.change.value) == pytest.approx(-0.06)


def test_the_parts_sum_to_the_change_whatever_came_together() -> None:
    generator = np.random.default_rng(1)
    for _ in range(50):
        before, after = (
            [
                Cell(source, model, int(posts), float(posts * share))
                for source in ("x", "rss", "hn")
                for model in ("m1", "m2", "m3")
                for posts, share in [(generator.integers(0, 200), generator.random())]
            ]
            for _ in range(2)
        )
        compared = [
            Comparison(source, model, int(generator.integers(0, 90)), float(generator.normal(0, 0.1)), 0.02)
            for source in ("x", "rss", "hn")
            for model in ("m1", "m2", "m3")
        ]
        found = movement.split(before, after, compared)
        model = found.model.value if found.model else 0.0
        assert found.change.value == pytest.approx(total(after) - total(before))
        assert found.mix.value + found.mood.value + model == pytest.approx(found.change.value)
        for part in (found.change, found.mix, found.mood):
            assert part.low <= part.value <= part.high
        by_source = sum(one.mix + one.mood for one in found.sources)
        assert by_source == pytest.approx(found.mix.value + found.mood.value)


def test_the_interval_of_a_change_holds_the_true_one_95_times_in_100() -> None:
    generator = np.random.default_rng(2)
    mix, shares = np.array([0.7, 0.3]), np.array([[0.2, 0.5], [0.25, 0.55]])
    true = float((mix * shares[1]).sum() - (mix * shares[0]).sum())
    covered = 0
    for seed in range(300):
        cells = []
        for period in range(2):
            posts = generator.multinomial(400, mix)
            hits = generator.binomial(posts, shares[period])
            cells.append([Cell(s, "m1", int(n), float(k)) for s, n, k in zip("ab", posts, hits, strict=True)])
        found = movement.split(cells[0], cells[1], [], seed=seed)
        covered += found.change.low <= true <= found.change.high
    assert covered >= 0.92 * 300


def test_a_period_without_a_scored_post_has_nothing_to_split() -> None:
    assert movement.share([]).value is None
    with pytest.raises(ValueError, match="without a scored post"):
        movement.split([], OLD, [])
