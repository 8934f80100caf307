"""Shares and their intervals, on made-up populations whose truth is known: 500 audits are drawn from each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from overheard.aggregates import CELLS, MIDDLES, Floats, Moments, Summary, cells, summary
from overheard.demo import posts
from overheard.estimates import MIN_AUDITS, MIN_POSTS, Audits, Estimate, Method, Taught, change, estimate, estimate_each
from overheard.intervals import Share, difference, wilson
from overheard.registry import locate
from overheard.scoring.bundle import LABELS, read_manifest
from overheard.scoring.onnx import OnnxEngine
from overheard.shift import BIAS, SPREAD

DRAWS = 500
STARTER = locate("starter", Path())
TAUGHT = (0.25, 0.4, 0.35)
KNOWN = Taught(np.array(TAUGHT), np.array(TAUGHT))
MIXED, RARE = (0.25, 0.45, 0.3), (0.06, 0.6, 0.34)
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Population:
    """Posts with a truth and what a model says of them."""

    probabilities: Floats
    labels: Ints

    @classmethod
    def of(
        cls, posts: int, shares: tuple[float, ...], bias: tuple[float, ...] = (0, 0, 0), seed: int = 0
    ) -> "Population":
        """bias: added to the log odds of a model that would be calibrated under TAUGHT."""
        rng = np.random.default_rng(seed)
        labels = rng.choice(3, posts, p=shares)
        places = np.array([[-1.3, 0], [0, 1.5], [1.3, 0]])
        seen = places[labels] + rng.normal(size=(posts, 2))
        odds = np.log(TAUGHT) + np.array(bias) - ((seen[:, None] - places) ** 2).sum(axis=2) / 2
        likely = np.exp(odds - odds.max(axis=1, keepdims=True))
        return cls(likely / likely.sum(axis=1, keepdims=True), labels)

    def __len__(self) -> int:
        return len(self.labels)

    def truth(self) -> Floats:
        return np.bincount(self.labels, minlength=3) / len(self)

    def draw(self, rng: np.random.Generator, count: int, stratum: Ints | None = None) -> tuple[Audits, Ints]:
        """count: of each stratum. Returns the audits and which posts they are."""
        stratum = np.zeros(len(self), np.int64) if stratum is None else stratum
        groups = [np.flatnonzero(stratum == place) for place in range(stratum.max() + 1)]
        drawn = np.concatenate([rng.choice(group, min(count, len(group)), replace=False) for group in groups])
        sizes, answered = np.bincount(stratum), np.bincount(stratum[drawn], minlength=len(groups))
        return Audits(self.probabilities[drawn], self.labels[drawn], stratum[drawn], sizes, answered), drawn

    def __getitem__(self, chosen: NDArray[np.bool_]) -> "Population":
        return Population(self.probabilities[chosen], self.labels[chosen])


def covered(found: list[Estimate], truth: Floats) -> Floats:
    """How often each share's interval had the truth in it."""
    bounds = np.array([[(share.low, share.high) for share in one.shares] for one in found], np.float64)
    return ((bounds[..., 0] <= truth + 1e-9) & (truth <= bounds[..., 1] + 1e-9)).mean(axis=0)


def half_width(found: list[Estimate]) -> float:
    return float(np.mean([[(share.high or 0) - (share.low or 0) for share in one.shares] for one in found]) / 2)


def blind(audits: Audits) -> Audits:
    """The same labels with a model that says nothing: what labels alone give."""
    return Audits(np.full((len(audits), 3), 1 / 3), audits.labels, audits.strata, audits.sizes, audits.answered)


def called(population: Population) -> Ints:
    return population.probabilities.argmax(axis=1)


def day(population: Population) -> Ints:
    return np.arange(len(population)) % 7


@pytest.mark.parametrize(
    ("population", "count", "strata"),
    [
        (Population.of(2000, MIXED), 50, None),
        (Population.of(2000, MIXED, bias=(1.2, 0, -0.5)), 50, None),
        (Population.of(2000, MIXED, bias=(1.2, 0, -0.5)), 100, None),
        (Population.of(3000, RARE), 50, None),
        (Population.of(3000, RARE, bias=(2, 0, 0)), 50, None),
        (Population.of(100, RARE), 50, None),
        (Population.of(2000, RARE), 17, called),
        (Population.of(2000, RARE), 14, day),
    ],
    ids=["calibrated", "biased", "biased-100", "rare", "rare-biased", "few-posts", "strata-by-call", "strata-by-day"],
)
def test_audited_intervals_hold_the_truth_and_are_narrower_than_labels_alone(
    population: Population, count: int, strata: Callable[[Population], Ints] | None
) -> None:
    rng, counted = np.random.default_rng(1), summary(population.probabilities)
    nothing = summary(np.full((len(population), 3), 1 / 3))
    audits = [population.draw(rng, count, strata and strata(population))[0] for _ in range(DRAWS)]
    found = estimate_each([counted] * DRAWS, [(drawn, None) for drawn in audits], taught=KNOWN)
    assert covered(found, population.truth()).min() >= 0.93
    alone = [estimate(nothing, blind(drawn)) for drawn in audits[:50]]
    assert half_width(found) < (0.97 if strata is called else 0.9) * half_width(alone)


def test_audits_of_a_week_hold_for_one_of_its_days() -> None:
    population, rng = Population.of(3000, MIXED, bias=(0.8, 0, 0)), np.random.default_rng(2)
    is_day = np.arange(len(population)) % 4 == 0
    of_day, found = population[is_day], []
    counted = summary(of_day.probabilities)
    for _ in range(DRAWS):
        audits, drawn = population.draw(rng, 180)
        own = is_day[drawn]
        cut = Audits(audits.probabilities[own], audits.labels[own], audits.strata[own], audits.sizes, audits.answered)
        found.append(estimate(counted, cut, taught=KNOWN))
    assert {one.method for one in found} == {Method.audited}
    assert covered(found, of_day.truth()).min() >= 0.93


def test_a_difference_of_two_weeks_is_held_too() -> None:
    weeks = [Population.of(1500, MIXED, bias=(0.8, 0, 0)), Population.of(1500, (0.35, 0.4, 0.25), bias=(0.8, 0, 0))]
    rng, counted = np.random.default_rng(3), [summary(week.probabilities) for week in weeks]
    truth, hits = weeks[1].truth() - weeks[0].truth(), np.zeros(3)
    for _ in range(DRAWS):
        before, after = (estimate(c, w.draw(rng, 60)[0], taught=KNOWN) for c, w in zip(counted, weeks, strict=True))
        moved = change(before, after)
        hits += [share.low <= true <= share.high for share, true in zip(moved, truth, strict=True)]  # type: ignore[operator]
    assert hits.min() / DRAWS >= 0.93


def test_a_change_shows_before_anybody_audits_it_although_the_model_is_biased() -> None:
    before, after = (
        Population.of(800, shares, bias=(1, 0, 0), seed=seed)
        for seed, shares in enumerate(((0.2, 0.5, 0.3), (0.4, 0.4, 0.2)))
    )
    negative, _, _ = change(*(estimate(summary(week.probabilities), taught=KNOWN) for week in (before, after)))
    assert negative.low is not None
    assert negative.point is not None
    assert 0 < negative.low < negative.point < 0.2


def test_shares_are_shares() -> None:
    population, rng = Population.of(200, (0.01, 0.01, 0.98)), np.random.default_rng(4)
    for _ in range(50):
        one = estimate(summary(population.probabilities), population.draw(rng, 30)[0], taught=KNOWN)
        points = [share.point for share in one.shares]
        assert sum(points) == pytest.approx(1)  # type: ignore[arg-type]
        for share in one.shares:
            assert 0 <= share.low <= share.point <= share.high <= 1  # type: ignore[operator]
        assert one.net.low <= one.net.point <= one.net.high  # type: ignore[operator]


def test_a_census_is_known() -> None:
    population = Population.of(60, MIXED)
    audits, _ = population.draw(np.random.default_rng(0), 60)
    found = estimate(summary(population.probabilities), audits, taught=KNOWN)
    assert [share.point for share in found.shares] == pytest.approx(population.truth().tolist())
    assert half_width([found]) < 0.001


@pytest.mark.parametrize("strata", [np.zeros(400, np.int64), np.arange(400) % 2, (np.arange(400) >= 380).astype(int)])
@pytest.mark.parametrize("label", [0, 1])
def test_audits_that_are_all_alike_leave_doubt_about_posts_that_nobody_read(strata: Ints, label: int) -> None:
    population = Population(Population.of(400, MIXED).probabilities, np.full(400, label))
    audits, _ = population.draw(np.random.default_rng(0), 40 // (strata.max() + 1), strata)
    found = estimate(summary(population.probabilities), audits, taught=KNOWN)
    least, most = (wilson(1, 40 / factor).low or 0 for factor in (0.85, 2))
    for place, share in enumerate(found.shares):
        sure = (share.low, 1.0) if place == label else (1 - (share.high or 0), 1 - (share.low or 0))
        assert 1 - most > 1 - (sure[0] or 0) > 1 - least
        assert sure[1] == 1


def test_strata_each_of_one_kind_hold_the_truth_of_what_is_rare_in_them() -> None:
    rng, half = np.random.default_rng(10), np.arange(2000) % 2
    labels = np.where(rng.random(2000) < 0.03, 1, 2 * half)
    population = Population(Population.of(2000, MIXED).probabilities, labels)
    counted = summary(population.probabilities)
    audits = [population.draw(rng, 20, half)[0] for _ in range(DRAWS)]
    found = estimate_each([counted] * DRAWS, [(drawn, None) for drawn in audits], taught=KNOWN)
    assert covered(found, population.truth()).min() >= 0.93


def test_what_nobody_audited_is_off_by_less_than_the_raw_shares_over_many_brands_and_its_intervals_hold() -> None:
    """Brands whose usual mix is another than the one that the model assumes, and on each of which it errs otherwise."""
    rng, brands, truths, usual = np.random.default_rng(11), list[Population](), list[Floats](), (0.15, 0.45, 0.4)
    for seed in range(100):
        odds = np.log(usual) + np.insert(rng.multivariate_normal([0, 0], SPREAD), 1, 0)
        shares = np.exp(odds) / np.exp(odds).sum()
        bias = np.insert(rng.multivariate_normal([0, 0], BIAS), 1, 0)
        brands.append(Population.of(400, tuple(shares), bias=tuple(bias), seed=seed))
        truths.append(brands[-1].truth())
    taught = Taught(np.array(TAUGHT), np.array(usual))
    found = estimate_each([summary(brand.probabilities) for brand in brands], [(None, None)] * 100, taught=taught)
    assert {one.method for one in found} == {Method.corrected}
    assert covered(found, np.array(truths)).min() >= 0.93
    corrected = np.array([[share.point for share in one.shares] for one in found]) - truths
    raw = np.array([one.raw for one in found]) - truths
    assert np.abs(corrected.mean(axis=0)).max() < 0.5 * np.abs(raw.mean(axis=0)).max()


def test_the_mix_that_brands_usually_have_counts_where_a_model_can_hardly_tell() -> None:
    unsure = summary(np.random.default_rng(12).dirichlet([40, 40, 40], 100))
    usual = np.array([0.1, 0.6, 0.3])
    found = estimate(unsure, taught=Taught(np.full(3, 1 / 3), usual))
    assert [share.point for share in found.shares] == pytest.approx(usual.tolist(), abs=0.03)


@pytest.mark.parametrize("shares", [(0.7, 0.2, 0.1), (0.9, 0.07, 0.03), (0.03, 0.9, 0.07), (0.03, 0.07, 0.9)])
@pytest.mark.parametrize("posts", [200, 3000])
def test_a_crisis_is_not_talked_down_to_what_is_usual(shares: tuple[float, ...], posts: int) -> None:
    population = Population.of(posts, shares)
    found = estimate(summary(population.probabilities), taught=Taught(np.array(TAUGHT), np.array((0.15, 0.45, 0.4))))
    assert covered([found], population.truth()).min() == 1


def test_reposts_of_one_text_are_not_talked_down_either() -> None:
    alike = np.tile([0.97, 0.02, 0.01], (300, 1))
    found = estimate(summary(alike), taught=Taught(np.array(TAUGHT), np.array((0.15, 0.45, 0.4))))
    assert (found.shares[0].point or 0) > 0.9


def demo() -> dict[str, tuple[Population, Ints]]:
    """By brand: what the starter says of the demo's posts, whose labels are known, and the day of each."""
    told = posts()
    brands, days = np.array([post.brand for post in told]), np.array([post.offset_minutes // 1440 for post in told])
    labels = np.array([LABELS.index(post.label) for post in told])
    read = OnnxEngine(STARTER, threads=1).score([post.text for post in told]).astype(np.float64)
    return {
        name: (Population(read[own], labels[own]), days[own]) for name in np.unique(brands) for own in [brands == name]
    }


def test_intervals_hold_the_truth_of_the_demos_brands_and_nothing_is_certain_of_a_few_of_their_posts() -> None:
    taught = Taught.of(read_manifest(STARTER).metrics)
    for brand, day in demo().values():
        found = estimate(summary(brand.probabilities), taught=taught)
        assert covered([found], brand.truth()).min() == 1
        for first in range(12):
            window = brand[(day >= first) & (day < first + 3)]
            few = estimate(summary(window.probabilities), taught=taught)
            for share in few.shares if few.method != Method.too_few else ():
                assert 0.02 < (share.point or 0) < 0.98
                assert (share.high or 0) - (share.low or 0) < 0.9


def test_what_nobody_audited_is_less_sure_than_forty_audits_however_many_posts_there_are() -> None:
    found = estimate(summary(Population.of(20_000, MIXED).probabilities), taught=KNOWN)
    for share in found.shares:
        alone = wilson(share.point or 0, 40)
        assert (share.high or 0) - (share.low or 0) >= (alone.high or 0) - (alone.low or 0)


def test_audits_of_other_days_help_where_there_are_none_of_these() -> None:
    before, now = (Population.of(2000, MIXED, bias=(1.5, 0, 0), seed=seed) for seed in (5, 6))
    audits, _ = before.draw(np.random.default_rng(7), 200)
    counted = summary(now.probabilities)
    helped, alone = estimate(counted, nearby=audits, taught=KNOWN), estimate(counted, taught=KNOWN)
    assert helped.method == Method.nearby
    assert half_width([helped]) < half_width([alone])
    miss = [abs((one.shares[0].point or 0) - now.truth()[0]) for one in (helped, alone)]
    assert miss[0] < 0.5 * miss[1]


def test_too_little_is_said_to_be_too_little() -> None:
    few = Population.of(MIN_POSTS - 1, MIXED)
    found = estimate(summary(few.probabilities), taught=KNOWN)
    assert found.method == Method.too_few
    assert found.shares[0] == Share(None, None, None)
    assert found.raw is not None
    assert estimate(summary(np.zeros((0, 3)))).raw is None
    many = Population.of(500, MIXED)
    audits, _ = many.draw(np.random.default_rng(8), MIN_AUDITS - 1)
    assert estimate(summary(many.probabilities), audits, taught=KNOWN).method == Method.corrected


def test_hours_of_an_older_format_have_raw_shares_only() -> None:
    moments = Moments.unpack([b"of an older format"]).sum()
    found = estimate(Summary(100, (20, 50, 30), (20.0, 50.0, 30.0), moments), taught=KNOWN)
    assert (found.method, found.raw) == (Method.too_few, (0.2, 0.5, 0.3))


def test_the_interval_of_an_unaudited_change_is_what_a_bootstrap_gives() -> None:
    rng = np.random.default_rng(9)
    weeks = [
        Population.of(posts, shares, seed=posts).probabilities
        for posts, shares in ((600, MIXED), (400, (0.35, 0.4, 0.25)))
    ]
    told = change(*(estimate(summary(week), taught=KNOWN) for week in weeks))
    again = [
        [
            share.point
            for share in change(*(estimate(summary(rng.choice(week, len(week))), taught=KNOWN) for week in weeks))
        ]
        for _ in range(300)
    ]
    widths = [share.high - share.low for share in told]  # type: ignore[operator]
    assert 2 * 1.96 * np.std(again, axis=0) == pytest.approx(widths, rel=0.15)


def test_a_change_is_not_told_larger_than_the_model_says() -> None:
    """Of a model that hardly tells classes apart, scaled up, it came out larger than the share itself."""
    calm, crisis = np.full((100, 3), (0.17, 0.5, 0.33)), np.full((120, 3), (0.34, 0.44, 0.22))
    negative, _, _ = change(*(estimate(summary(week), taught=KNOWN) for week in (calm, crisis)))
    assert negative.point == pytest.approx(0.17, abs=0.05)


def test_a_change_that_is_none_is_called_one_in_a_twentieth_of_all_cases() -> None:
    rng, hits = np.random.default_rng(13), np.zeros(3)
    population = Population.of(20_000, MIXED, bias=(1, 0, 0))
    for _ in range(DRAWS):
        weeks = [population.probabilities[rng.choice(len(population), posts)] for posts in (60, 300)]
        shares = change(*estimate_each([summary(week) for week in weeks], [(None, None)] * 2, taught=KNOWN))
        hits += [share.low <= 0 <= share.high for share in shares]  # type: ignore[operator]
    assert hits.min() / DRAWS >= 0.93
    assert hits.max() / DRAWS <= 0.97


def test_packed_hours_add_up_to_all_posts() -> None:
    population = Population.of(3000, MIXED)
    parts = np.array_split(population.probabilities, 24)
    total = Moments.unpack([summary(part).moments.pack() for part in parts]).sum()
    whole = summary(population.probabilities).moments
    assert total.cells.tolist() == whole.cells.tolist()
    assert total.by_called == pytest.approx(whole.by_called, rel=1e-5)
    assert Moments.unpack([]).sum().posts == 0


def test_a_cell_stands_for_its_posts() -> None:
    population = Population.of(5000, MIXED)
    assert cells(MIDDLES).tolist() == list(range(CELLS))
    assert MIDDLES[cells(population.probabilities)].mean(axis=0) == pytest.approx(
        population.probabilities.mean(axis=0), abs=0.005
    )


def test_a_difference_of_dependent_shares_knows_it() -> None:
    one, other = wilson(0.3, 100), wilson(0.2, 100)
    apart, together = difference(one, other), difference(one, other, correlation=0.9)
    assert (together.high or 0) - (together.low or 0) < 0.5 * ((apart.high or 0) - (apart.low or 0))
    assert difference(one, Share(None, None, None)).point is None
