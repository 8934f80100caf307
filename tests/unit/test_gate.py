"""The promotion gate: what it lets in, what it keeps out, and what it says about either."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from overheard.evaluation import evaluate
from overheard.settings import Settings
from overheard.training.gate import Exam, Judged, Thresholds, Verdict, decide
from overheard.training.paired import Interval, holm, resampled_change

DRAWS = 200


@dataclass(frozen=True)
class World:
    """Test rows on which two models agree on 87 of 100, as a model and its fine-tuned successor do."""

    rows: int
    gain: float = 0.0
    """Of the challenger's accuracy on rows that are not fresh, in every class alike; shares of 1."""
    fresh_gain: float = 0.0
    fresh_share: float = 0.1

    def draw(self, generator: np.random.Generator) -> tuple[Exam, Judged, Judged]:
        n = self.rows
        labels = generator.choice(3, n, p=(0.25, 0.45, 0.3))
        fresh = generator.random(n) < self.fresh_share
        sources = np.where(fresh, "mastodon", generator.choice(["base a", "base b"], n, p=(0.7, 0.3)))
        brands = np.where(fresh, generator.choice(["Acme", "Globex"], n), "")
        accuracy, changed = np.where(fresh, 0.62, 0.72), np.where(fresh, 0.18, 0.11)
        gain = np.where(fresh, self.fresh_gain, self.gain)
        before = generator.random(n) < accuracy
        lost, gained = (changed - gain) / 2 / accuracy, (changed + gain) / 2 / (1 - accuracy)
        chance = generator.random(n)
        after = np.where(before, chance >= lost, chance < gained)
        mistakes = [(labels + generator.integers(1, 3, n)) % 3 for _ in range(2)]
        again = np.where(generator.random(n) < 0.1, mistakes[1], mistakes[0])
        champion = answers("champion", np.where(before, labels, mistakes[0]))
        challenger = answers("challenger", np.where(after, labels, again))
        return Exam(labels, fresh, sources, brands), champion, challenger

    def verdicts(self) -> list[Verdict]:
        generator = np.random.default_rng(1)
        return [judged(*self.draw(generator)) for _ in range(DRAWS)]


def answers(version: str, predicted: np.ndarray, ms_per_message: float = 1.0) -> Judged:
    return Judged(version, np.eye(3)[predicted] * 0.7 + 0.1, ms_per_message)


def exam(labels: np.ndarray, fresh: bool = False, source: str = "base", brand: str = "") -> Exam:
    n = len(labels)
    return Exam(labels, np.full(n, fresh), np.full(n, source), np.full(n, brand))


def joined(*exams: Exam) -> Exam:
    columns = ("labels", "fresh", "sources", "brands")
    return Exam(*(np.concatenate([getattr(part, column) for part in exams]) for column in columns))


def judged(exam: Exam, champion: Judged, challenger: Judged, **how: object) -> Verdict:
    return decide(exam, champion, challenger, Thresholds(), **({"leaked_rows": 0, "allow_slower": False} | how))


def right_on(share: float, labels: np.ndarray, of: int = 100) -> np.ndarray:
    """Predictions that are right on the first rows of every `of`, and one class too high on the others."""
    return np.where(np.arange(len(labels)) % of < share * of, labels, (labels + 1) % 3)


LABELS = np.repeat([0, 1, 2], 1000)
BASE = exam(LABELS)
CHAMPION = answers("champion", right_on(0.70, LABELS))
BETTER = answers("challenger", right_on(0.75, LABELS))
LITTLE_WORSE = np.where(np.arange(3000) % 300 == 0, LABELS - 1, right_on(0.70, LABELS)) % 3

SIZES = [pytest.param(600, marks=pytest.mark.slow), 2_000, pytest.param(10_000, marks=pytest.mark.slow)]


@pytest.mark.parametrize("rows", SIZES)
def test_an_equal_challenger_is_seldom_vetoed(rows: int) -> None:
    assert sum(bool(verdict.vetoes) for verdict in World(rows).verdicts()) <= DRAWS // 10


@pytest.mark.parametrize("rows", SIZES)
def test_a_challenger_three_points_worse_is_never_promoted(rows: int) -> None:
    assert not any(verdict.promoted for verdict in World(rows, gain=-0.03, fresh_gain=-0.03).verdicts())


def test_a_challenger_three_points_better_is_mostly_promoted() -> None:
    verdicts = World(2_000, gain=0.03, fresh_gain=0.03).verdicts()
    assert sum(verdict.promoted for verdict in verdicts) >= 0.9 * DRAWS


@pytest.mark.slow
def test_what_a_brand_gains_is_enough_where_nothing_else_is_lost() -> None:
    verdicts = World(10_000, fresh_gain=0.06).verdicts()
    assert sum(verdict.promoted for verdict in verdicts) >= 0.9 * DRAWS


def test_the_interval_covers_the_true_change_as_often_as_it_says() -> None:
    generator = np.random.default_rng(2)
    strata = np.repeat([0, 1, 2], (40, 150, 80))
    covered = 0
    for _ in range(400):
        kind = generator.choice(3, len(strata), p=(0.09, 0.86, 0.05))  # gained, kept, lost: 4 points better
        before, after = kind == 2, kind == 0
        resampled = resampled_change(before, after, strata, generator, draws=1000)
        interval = Interval.of(0.0, resampled, 0.95)
        covered += interval.low <= 0.04 <= interval.high
    assert 0.92 <= covered / 400 <= 0.99


def test_a_better_one_is_promoted_and_the_reason_has_the_figures() -> None:
    verdict = judged(BASE, CHAMPION, BETTER)
    assert verdict.promoted
    assert verdict.vetoes == ()
    assert verdict.change.value == pytest.approx(0.05)
    assert 0.03 < verdict.change.low < 0.05 < verdict.change.high < 0.07
    assert verdict.reasons[0].startswith(
        "macro-recall 0.750 against 0.700 on 3,000 rows: +5.0 points, 95 % interval +4."
    )
    assert verdict.reasons[0].endswith(": better")
    assert verdict.reasons[1] == "fresh labels: 0 are no proof, at least 30 are needed"


def test_one_that_is_not_worse_is_promoted_for_what_it_gains_on_fresh_labels() -> None:
    labels = np.tile([0, 1, 2], 50)
    rows = joined(BASE, exam(labels, fresh=True, source="mastodon", brand="Acme"))
    champion = answers("champion", np.concatenate([right_on(0.70, LABELS), right_on(0.6, labels, of=15)]))
    gains = answers("challenger", np.concatenate([LITTLE_WORSE, right_on(0.67, labels, of=15)]))
    same = answers("challenger", np.concatenate([LITTLE_WORSE, right_on(0.6, labels, of=15)]))
    promoted, kept_out = judged(rows, champion, gains), judged(rows, champion, same)
    assert promoted.promoted
    assert promoted.reasons[0].endswith(": not worse")
    assert "fresh labels: accuracy 0.733 against 0.600 on 150 rows: +13.3 points, at least +" in promoted.reasons[1]
    assert promoted.reasons[1].endswith(": better")
    assert not kept_out.promoted
    assert kept_out.reasons[1].endswith(": not shown to be better")


def test_one_that_may_be_worse_is_not_saved_by_fresh_labels() -> None:
    labels = np.tile([0, 1, 2], 50)
    rows = joined(BASE, exam(labels, fresh=True))
    champion = answers("champion", np.concatenate([right_on(0.70, LABELS), right_on(0.6, labels)]))
    challenger = answers("challenger", np.concatenate([right_on(0.67, LABELS), right_on(0.9, labels)]))
    verdict = judged(rows, champion, challenger)
    assert not verdict.promoted
    assert verdict.reasons[0].endswith(": a loss of more than 1.0 points can't be excluded")
    assert verdict.reasons[1].endswith(": better")


def test_one_that_only_learned_which_class_is_frequent_is_not_better_on_fresh_labels() -> None:
    labels = np.array([1] * 80 + [0] * 10 + [2] * 10)
    balanced = np.concatenate([[1] * 64, [2] * 16, [0] * 8, [1] * 2, [2] * 8, [1] * 2])
    never_positive = np.where(labels == 0, 0, 1)
    champion = answers("champion", np.concatenate([right_on(0.70, LABELS), balanced]))
    challenger = answers("challenger", np.concatenate([right_on(0.70, LABELS), never_positive]))
    verdict = judged(joined(BASE, exam(labels, fresh=True)), champion, challenger)
    assert verdict.fresh_change is not None
    assert verdict.fresh_change.value == pytest.approx(0.1)
    assert verdict.fresh_change.low > 0
    assert verdict.reasons[1].endswith(": not shown to be better")


def test_a_slice_that_falls_for_certain_is_a_veto() -> None:
    rows = joined(BASE, exam(LABELS[::5], source="forum"))
    champion = answers("champion", np.concatenate([CHAMPION.probabilities.argmax(1), right_on(0.8, LABELS[::5])]))
    challenger = answers("challenger", np.concatenate([right_on(0.80, LABELS), right_on(0.7, LABELS[::5])]))
    verdict = judged(rows, champion, challenger)
    assert verdict.reasons[0].endswith(": better")
    assert not verdict.promoted
    assert len(verdict.vetoes) == 1
    assert verdict.vetoes[0].startswith(
        "source forum fell by more than 2.0 points for certain (corrected for 3 slices)"
    )
    assert "macro-recall 0.700 against 0.800 on 600 rows: -10.0 points" in verdict.vetoes[0]


def test_small_slices_are_shown_but_can_not_veto() -> None:
    few = LABELS[::16]
    rows = joined(BASE, exam(few, brand="Acme"))
    champion = answers("champion", np.concatenate([CHAMPION.probabilities.argmax(1), few]))
    challenger = answers("challenger", np.concatenate([right_on(0.80, LABELS), (few + 1) % 3]))
    verdict = judged(rows, champion, challenger)
    assert verdict.promoted
    assert [(part.champion.n, part.change.value) for part in verdict.slices if part.kind == "brand"] == [(188, -1.0)]


def test_three_lost_rows_of_a_rare_class_are_no_certainty() -> None:
    labels = np.array([0] * 3 + [1] * 150 + [2] * 150)
    rows = joined(BASE, exam(labels, source="forum"))
    says = right_on(0.7, labels)
    champion = answers("champion", np.concatenate([CHAMPION.probabilities.argmax(1), says]))
    lost = np.concatenate([(labels[:3] + 1) % 3, says[3:]])
    challenger = answers("challenger", np.concatenate([right_on(0.80, LABELS), lost]))
    assert judged(rows, champion, challenger).promoted


def test_a_slice_that_lacks_a_class_is_judged_by_those_that_it_has() -> None:
    labels = np.repeat([0, 2], 150)
    rows = joined(BASE, exam(labels, source="forum"))
    champion = answers("champion", np.concatenate([CHAMPION.probabilities.argmax(1), labels]))
    challenger = answers("challenger", np.concatenate([right_on(0.80, LABELS), right_on(0.8, labels)]))
    verdict = judged(rows, champion, challenger)
    assert next(part.change.value for part in verdict.slices if part.value == "forum") == pytest.approx(-0.2)
    assert verdict.vetoes[0].startswith("source forum fell")


def test_a_slower_one_is_vetoed_unless_that_is_allowed() -> None:
    slow = replace(BETTER, ms_per_message=1.6)
    verdict = judged(BASE, CHAMPION, slow)
    assert not verdict.promoted
    assert verdict.vetoes == ("slower: 1.60 ms per message against 1.00 is 1.60 times as long, more than 1.5 times",)
    assert judged(BASE, CHAMPION, slow, allow_slower=True).promoted
    assert judged(BASE, CHAMPION, replace(BETTER, ms_per_message=1.5)).promoted


def test_unchanged_weights_are_a_veto() -> None:
    verdict = judged(BASE, CHAMPION, replace(BETTER, version="champion"))
    assert not verdict.promoted
    assert verdict.vetoes == ("weights are unchanged: both models are champion",)


def test_test_rows_that_were_trained_on_are_a_veto() -> None:
    verdict = judged(BASE, CHAMPION, BETTER, leaked_rows=3)
    assert not verdict.promoted
    assert verdict.vetoes == ("3 test rows are in the training data, so the figures are too good",)


def test_too_few_rows_prove_nothing() -> None:
    labels = LABELS[::12]
    champion, challenger = answers("champion", right_on(0.5, labels)), answers("challenger", labels)
    verdict = judged(exam(labels), champion, challenger)
    assert verdict.change.low > 0
    assert not verdict.promoted
    assert verdict.vetoes == ("250 test rows prove nothing: at least 300 are needed",)


def test_a_class_that_no_test_row_has_is_a_veto() -> None:
    labels = LABELS[LABELS != 0]
    champion, challenger = answers("champion", right_on(0.5, labels)), answers("challenger", labels)
    assert "no test row is negative" in judged(exam(labels), champion, challenger).vetoes[0]


def test_slices_have_the_figures_of_both_models() -> None:
    rows, champion, challenger = World(1_000).draw(np.random.default_rng(3))
    verdict = judged(rows, champion, challenger)
    assert [f"{part.kind} {part.value}".strip() for part in verdict.slices] == [
        "all",
        "source base a",
        "source base b",
        "source mastodon",
        "brand Acme",
        "brand Globex",
        "freshness fresh",
        "freshness base",
    ]
    acme = rows.brands == "Acme"
    assert verdict.slices[4].champion == evaluate(champion.probabilities[acme], rows.labels[acme])
    assert verdict.slices[4].challenger == evaluate(challenger.probabilities[acme], rows.labels[acme])


def test_a_verdict_is_kept_as_json() -> None:
    verdict = judged(*World(1_000).draw(np.random.default_rng(3)))
    kept = json.loads(json.dumps(verdict.as_dict()))
    assert kept == verdict.as_dict()
    assert kept["promoted"] is verdict.promoted
    assert kept["reasons"] == list(verdict.reasons)
    assert kept["change"] == {"value": verdict.change.value, "low": verdict.change.low, "high": verdict.change.high}
    assert kept["slices"][0]["challenger"] == verdict.slices[0].challenger.as_dict()
    assert [sum(one["n"] for one in bins) for bins in kept["reliability"]] == [verdict.slices[0].champion.n] * 2


def test_the_same_rows_give_the_same_verdict() -> None:
    rows = World(1_000).draw(np.random.default_rng(3))
    assert judged(*rows) == judged(*rows)
    assert judged(*rows, seed=1).change.low == pytest.approx(judged(*rows).change.low, abs=0.003)


def test_thresholds_are_those_that_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Thresholds.of(Settings.load()) == Thresholds()
    monkeypatch.setenv("OVERHEARD_MAX_SLOWDOWN", "3")
    monkeypatch.setenv("OVERHEARD_MAX_RECALL_LOSS", "0.02")
    monkeypatch.setenv("OVERHEARD_MAX_SLICE_FALL", "0.04")
    monkeypatch.setenv("OVERHEARD_MIN_SLICE_ROWS", "100")
    monkeypatch.setenv("OVERHEARD_MIN_TEST_ROWS", "60")
    expected = Thresholds(
        max_slowdown=3, max_recall_loss=0.02, max_slice_fall=0.04, min_slice_rows=100, min_test_rows=60
    )
    assert Thresholds.of(Settings.load()) == expected


@pytest.mark.parametrize(
    "model",
    [
        answers("short", LABELS[:-1]),
        Judged("two classes", np.full((len(LABELS), 2), 0.5), 1.0),
        Judged("nan", np.full((len(LABELS), 3), np.nan), 1.0),
        answers("timeless", LABELS, ms_per_message=0.0),
        answers("no time", LABELS, ms_per_message=float("nan")),
    ],
    ids=lambda model: model.version,
)
def test_a_model_that_can_not_be_judged_is_refused(model: Judged) -> None:
    for pair in ((CHAMPION, model), (model, BETTER)):
        with pytest.raises(ValueError, match=model.version):
            judged(BASE, *pair)


@pytest.mark.parametrize(
    "columns",
    [
        (LABELS, BASE.fresh[:-1], BASE.sources, BASE.brands),
        (LABELS, BASE.fresh, BASE.sources[:5], BASE.brands),
        (LABELS[:0], BASE.fresh[:0], BASE.sources[:0], BASE.brands[:0]),
        (np.eye(3), np.eye(3) > 0, np.full((3, 3), ""), np.full((3, 3), "")),
        (LABELS + 1, BASE.fresh, BASE.sources, BASE.brands),
        (LABELS - 1, BASE.fresh, BASE.sources, BASE.brands),
    ],
)
def test_test_rows_that_do_not_fit_are_refused(columns: tuple[np.ndarray, ...]) -> None:
    with pytest.raises(ValueError, match="test rows"):
        Exam(*columns)


def test_holm_rejects_the_smallest_first_and_stops_at_the_first_that_stands() -> None:
    assert holm([0.03, 0.01, 0.04], 0.05) == [False, True, False]
    assert holm([0.02, 0.01, 0.04], 0.05) == [True, True, True]
    assert holm([0.02, 0.04, 0.9], 0.05) == [False, False, False]
    assert holm([], 0.05) == []
