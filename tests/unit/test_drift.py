"""Drift: few posts don't cry wolf, planted shifts are found, trivialities are left alone."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from overheard import drift, reference
from overheard.drift import Counts, Drift, Reference
from overheard.reference import Incidence, Vocabulary
from overheard.registry import locate
from overheard.scoring.bundle import LABELS, REFERENCE, load_manifest

STARTER = locate("starter", Path())
SHARES = np.array([0.2, 0.45, 0.35])
LANGUAGES = ("en", "de", "fr")
LANGUAGE_SHARES = np.array([0.8, 0.15, 0.05])
LENGTH_SHARES = np.array([0.05, 0.1, 0.2, 0.3, 0.2, 0.1, 0.04, 0.01])
DRAWS = 500


class Talk:
    """Posts about one of twenty things each, of few things most: so the words of a post hang together."""

    def __init__(self) -> None:
        generator = np.random.default_rng(1)
        self.things = 1 / np.arange(1, 21)
        self.things /= self.things.sum()
        everywhere = generator.beta(0.5, 4, size=60)
        own = np.zeros((20, 400))
        for thing in range(20):
            own[thing, 20 * thing : 20 * thing + 20] = 0.3
        self.holds = np.hstack([np.tile(everywhere, (20, 1)), own])  # (things, tokens): chance that a post holds it

    def counts(self, posts: int, generator: np.random.Generator) -> np.ndarray:
        """In how many posts each token is, and none elsewhere."""
        found = generator.binomial(generator.multinomial(posts, self.things)[:, None], self.holds).sum(axis=0)
        return np.append(found, 0).astype(np.float64)

    def posts(self, count: int, generator: np.random.Generator) -> Incidence:
        things = generator.choice(20, count, p=self.things)
        is_in = generator.random((count, self.holds.shape[1])) < self.holds[things]
        return Incidence.of([set(np.flatnonzero(row).tolist()) for row in is_in], range(self.holds.shape[1]))


@dataclass(frozen=True)
class World:
    """What a model was trained on, and posts of the same kind, unless they are said to differ."""

    reference: Reference
    talk: Talk

    def draw(
        self,
        posts: int,
        generator: np.random.Generator,
        classes: np.ndarray = SHARES,
        languages: np.ndarray = LANGUAGE_SHARES,
    ) -> list[Drift]:
        spoken = generator.multinomial(posts, languages)
        now = Counts(
            texts=posts,
            classes=generator.multinomial(posts, classes).astype(np.float64),
            lengths=generator.multinomial(posts, LENGTH_SHARES).astype(np.float64),
            languages=dict(zip(LANGUAGES, spoken.tolist(), strict=True)),
            vocabulary=self.talk.counts(posts, generator),
        )
        return drift.report(now, self.reference, LABELS)


@pytest.fixture(scope="module")
def world() -> World:
    generator, talk = np.random.default_rng(2), Talk()
    trained = talk.posts(6_000, generator)
    counts = Counts(
        texts=6_000,
        classes=generator.multinomial(2_000, SHARES).astype(np.float64),
        lengths=generator.multinomial(6_000, LENGTH_SHARES).astype(np.float64),
        languages=dict(zip(LANGUAGES, generator.multinomial(6_000, LANGUAGE_SHARES).tolist(), strict=True)),
        vocabulary=trained.counts(),
    )
    return World(Reference(counts, tuple(reference.chance(trained, generator))), talk)


@pytest.mark.parametrize("posts", [30, 200, 2_000])
def test_posts_that_did_not_drift_seldom_raise_an_alarm(world: World, posts: int) -> None:
    generator = np.random.default_rng(posts)
    reports = [world.draw(posts, generator) for _ in range(DRAWS)]
    alarms = [sum(one.is_drift for one in same) for same in zip(*reports, strict=True)]
    assert [one.feature for one in reports[0]] == list(drift.FEATURES)
    assert max(alarms) <= 0.075 * DRAWS
    assert sum(any(one.is_drift for one in report) for report in reports) <= 0.075 * DRAWS


def test_without_the_floors_chance_alone_still_seldom_raises_an_alarm(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "FLOORS", dict.fromkeys(drift.FEATURES, 0.0))
    generator = np.random.default_rng(4)
    reports = [world.draw(500, generator) for _ in range(DRAWS)]
    alarms = sum(any(one.is_drift for one in report) for report in reports)
    assert 0.01 * DRAWS < alarms <= 0.075 * DRAWS  # a test that never rejects would be no test


@pytest.mark.parametrize("move", [(0.1, -0.1, 0), (0.1, 0, -0.1), (-0.1, 0.05, 0.05)])
def test_ten_points_on_500_posts_are_found(world: World, move: tuple[float, ...]) -> None:
    generator = np.random.default_rng(5)
    found = [world.draw(500, generator, SHARES + np.array(move))[0] for _ in range(100)]
    assert sum(one.is_drift for one in found) >= 80


def test_another_language_is_found_and_so_are_other_words(world: World) -> None:
    generator = np.random.default_rng(6)
    spoken = world.draw(300, generator, languages=np.array([0.5, 0.45, 0.05]))
    assert [one.feature for one in spoken if one.is_drift] == ["language"]
    other = Talk()
    other.holds = np.roll(other.holds, 200, axis=1)
    (words,) = [one for one in replace(world, talk=other).draw(200, generator) if one.feature == "vocabulary"]
    assert words.is_drift


def test_a_triviality_is_no_drift_however_many_posts_there_are(world: World) -> None:
    trained = world.reference.counts
    huge = replace(trained, classes=trained.classes * 1_000_000, texts=6_000_000_000)
    now = replace(huge, classes=huge.classes + huge.classes.sum() * np.array([0.01, -0.01, 0]))
    (classes, *_) = drift.report(now, Reference(huge, world.reference.chance), LABELS)
    assert classes.js > classes.expected * 100
    assert not classes.is_drift


def test_too_few_posts_are_not_judged(world: World) -> None:
    assert world.draw(29, np.random.default_rng(7)) == []


def test_languages_are_only_compared_where_both_are_known(world: World) -> None:
    trained = world.reference.counts
    silent = replace(trained, languages={})
    assert "language" not in [one.feature for one in drift.report(silent, world.reference, LABELS)]
    unknown = replace(world.reference, counts=silent)
    assert "language" not in [one.feature for one in drift.report(trained, unknown, LABELS)]


def test_divergence_goes_from_nothing_to_one_bit() -> None:
    assert drift.divergence(np.array([2.0, 2, 4]), np.array([10.0, 10, 20])) == pytest.approx(0, abs=1e-12)
    assert drift.divergence(np.array([5.0, 0]), np.array([0.0, 7])) == pytest.approx(1)
    half = drift.divergence(np.array([[1.0, 1], [1, 0]]), np.array([1.0, 1]))
    assert half[0] == pytest.approx(0)
    assert half[1] == pytest.approx(0.3113, abs=1e-4)  # 1 - 0.75 * entropy(1/3), worked out by hand
    assert drift.stability_index(np.array([700.0, 300]), np.array([500.0, 500])) == pytest.approx(0.1695, abs=1e-3)


def test_the_starter_says_what_it_was_trained_on() -> None:
    known = reference.read(STARTER)
    assert known
    counts = known[0].counts
    assert counts.texts > 40_000
    assert counts.classes.sum() == load_manifest(STARTER).metrics["held_out"]["n"]
    assert list(counts.languages) == ["en"]
    assert len(known[1]) == reference.TOKENS
    assert load_manifest(STARTER).files[REFERENCE].size < 100_000


def test_what_is_made_of_texts_is_read_as_it_was_made(tmp_path: Path) -> None:
    texts = [f"Number {number} is {'good' if number % 2 else 'bad'} " * (number % 5 + 1) for number in range(100)]
    vocabulary = Vocabulary.of(STARTER)
    made = reference.make([*texts, texts[0].upper()], [0, 0, 1, 2], {"en": 100}, vocabulary)
    (tmp_path / REFERENCE).write_bytes(made)
    known = reference.read(tmp_path)
    assert known
    trained, ids = known[0].counts, known[1]
    assert (trained.texts, trained.lengths.sum(), trained.classes.tolist()) == (100, 100, [2, 1, 1])
    again = reference.count(texts, [0, 0, 1, 2], ["en"] * 100, vocabulary, ids)
    assert np.array_equal(again.vocabulary, trained.vocabulary)
    assert np.array_equal(again.lengths, trained.lengths)
    assert again.vocabulary[:2].tolist() == [100, 100]  # "number" and "is"
    assert not any(one.is_drift for one in drift.report(again, known[0], LABELS))
    assert b"good" not in made


def test_a_bundle_without_a_reference_has_none(tmp_path: Path) -> None:
    assert reference.read(tmp_path) is None
    (tmp_path / REFERENCE).write_text('{"format": 2}')
    assert reference.read(tmp_path) is None


def test_the_same_words_again_are_one_text() -> None:
    assert reference.distinct(["So good!", "@bob so GOOD", "bad", "so good http://a.example"]) == [0, 2]
