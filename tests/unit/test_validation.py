"""What is judged while a model is trained, which weights are kept, and when training ends early."""

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="training is not installed")

from overheard.evaluation import evaluate
from overheard.scoring.engine import softmax
from overheard.training.data import Rows
from overheard.training.finetune import finetune
from overheard.training.predict import predict_logits
from overheard.training.progress import Progress
from tests.toys import RECIPE, save_base, toy_rows

ROWS, VALIDATION = toy_rows(102, seed=1), toy_rows(60, seed=2)  # 7 steps an epoch
WRONG = Rows(VALIDATION.texts, tuple((label + 1) % 3 for label in VALIDATION.labels))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_base(tmp_path_factory.mktemp("base"))


def macro_recall(directory: Path, rows: Rows) -> float:
    return evaluate(softmax(predict_logits(directory, rows.texts, RECIPE.max_tokens), 1.0), rows.labels).macro_recall


def test_the_best_weights_are_kept(base: str, tmp_path: Path) -> None:
    """The better the model gets, the more it errs on rows that are labelled wrong: its first weights are its best."""
    recipe = replace(RECIPE, epochs=12, judgements_per_epoch=1, patience=99)
    result = finetune(base, ROWS, tmp_path / "out", recipe, validation=WRONG)

    assert [judgement.step for judgement in result.judgements] == list(range(7, 12 * 7 + 1, 7))
    assert result.best is not None
    assert result.best.macro_recall > result.judgements[-1].macro_recall
    assert macro_recall(tmp_path / "out", WRONG) == result.best.macro_recall


def test_training_stops_when_nothing_better_comes(base: str, tmp_path: Path) -> None:
    recipe = replace(RECIPE, learning_rate=0.0, judgements_per_epoch=2, patience=3)
    result = finetune(base, ROWS, tmp_path / "out", recipe, validation=VALIDATION)
    assert [judgement.step for judgement in result.judgements] == [3, 6, 9, 12]
    assert result.best == result.judgements[0]
    assert result.steps == 12


def test_training_does_not_stop_while_it_gets_better(base: str, tmp_path: Path) -> None:
    told: list[Progress] = []
    recipe = replace(RECIPE, judgements_per_epoch=1, patience=6)
    result = finetune(base, ROWS, tmp_path / "out", recipe, validation=VALIDATION, on_step=told.append)
    recalls = [judgement.macro_recall for judgement in result.judgements]
    assert max(recalls) > 0.9
    assert (told[0].macro_recall, told[0].best_macro_recall) == (None, None)
    assert (told[-1].macro_recall, told[-1].best_macro_recall) == (recalls[-1], max(recalls))


def test_at_most_so_many_rows_are_judged_on(base: str, tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=1, validation_rows=6)
    result = finetune(base, ROWS, tmp_path / "out", recipe, validation=VALIDATION)
    assert {round(judgement.macro_recall * 6, 6) for judgement in result.judgements} <= set(range(7))


def test_a_training_is_stopped_while_it_is_judged(base: str, tmp_path: Path) -> None:
    steps: list[int] = []

    def cancel(progress: Progress) -> None:
        steps.append(progress.step)
        if steps.count(6) > 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(
            base,
            ROWS,
            tmp_path / "out",
            replace(RECIPE, judgements_per_epoch=1),
            validation=VALIDATION,
            on_step=cancel,
        )
    assert steps == [1, 2, 3, 4, 5, 6, 6]
