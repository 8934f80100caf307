import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from overheard.training.data import Rows

transformers = pytest.importorskip("transformers", reason="training is not installed")
pytest.importorskip("torch", reason="training is not installed")

from overheard.training.finetune import finetune  # noqa: E402
from overheard.training.progress import Progress  # noqa: E402
from tests.toys import RECIPE, save_base, toy_rows  # noqa: E402


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_base(tmp_path_factory.mktemp("base"))


def predict(directory: Path, rows: Rows) -> np.ndarray:
    import torch

    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(directory).eval()
    with torch.no_grad():
        logits = model(**tokenizer(list(rows.texts), padding=True, return_tensors="pt")).logits
    return logits.numpy()


def test_a_model_learns_which_words_decide(base: str, tmp_path: Path) -> None:
    unseen = toy_rows(60, seed=2)

    result = finetune(base, toy_rows(102, seed=1), tmp_path, RECIPE)

    assert (predict(tmp_path, unseen).argmax(axis=1) == unseen.labels).mean() > 0.95
    assert transformers.AutoConfig.from_pretrained(tmp_path).id2label == {0: "negative", 1: "neutral", 2: "positive"}
    assert (tmp_path / "model.safetensors").is_file()
    assert result.steps == 24 * 7


def test_the_same_seed_gives_the_same_model(base: str, tmp_path: Path) -> None:
    rows, recipe = toy_rows(63, seed=1), replace(RECIPE, epochs=1, word_dropout=0.2)

    first, second = (finetune(base, rows, tmp_path / name, recipe).directory for name in ("a", "b"))

    np.testing.assert_array_equal(predict(first, rows), predict(second, rows))


def test_a_rare_class_is_found_more_often_with_a_shifted_prior(base: str, tmp_path: Path) -> None:
    noise = random.Random(0)
    labels = tuple(noise.choices((0, 1, 2), weights=(1, 5, 4), k=200))
    rows = Rows(tuple("the phone is here" for _ in labels), labels)  # the text says nothing: only the prior is learned

    recipe = replace(RECIPE, epochs=6)
    plain = finetune(base, rows, tmp_path / "plain", recipe).directory
    shifted = finetune(base, rows, tmp_path / "shifted", replace(recipe, prior_shift=1.0)).directory

    gap, level = (np.ptp(predict(directory, rows).mean(axis=0)) for directory in (plain, shifted))
    assert gap > 1.0
    assert level < 0.5


def test_frozen_words_keep_their_embeddings(base: str, tmp_path: Path) -> None:
    rows = toy_rows(60, seed=1)
    moved, kept = (
        finetune(base, rows, tmp_path / str(freezes), replace(RECIPE, epochs=1, freezes_words=freezes)).directory
        for freezes in (False, True)
    )

    before = transformers.AutoModel.from_pretrained(base).get_input_embeddings().weight
    assert transformers.AutoModel.from_pretrained(kept).get_input_embeddings().weight.equal(before)
    assert not transformers.AutoModel.from_pretrained(moved).get_input_embeddings().weight.equal(before)


def test_what_is_replayed_is_kept(base: str, tmp_path: Path) -> None:
    from overheard.training.finetune import finetune
    from overheard.training.replay import remember

    known, unseen = toy_rows(102, seed=1), toy_rows(60, seed=2)
    champion = finetune(base, known, tmp_path / "champion", RECIPE).directory
    fresh = Rows(tuple(f"{text} crash" for text in toy_rows(60, seed=3).texts), (0, 0, 2) * 20)  # another habit
    recipe = replace(RECIPE, epochs=4, replayed_rows=90)

    forgetful = finetune(str(champion), fresh, tmp_path / "forgetful", recipe).directory
    replay = remember(champion, known, recipe)
    mindful = finetune(str(champion), fresh, tmp_path / "mindful", recipe, replay=replay).directory

    assert len(replay.texts) == 90
    lost, kept = ((predict(model, unseen).argmax(axis=1) == unseen.labels).mean() for model in (forgetful, mindful))
    assert lost < 0.7
    assert kept > 0.9


def test_weights_are_mixed_with_those_that_the_base_had(base: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    from overheard.training.finetune import finetune

    rows = toy_rows(60, seed=1)
    start = finetune(base, rows, tmp_path / "start", replace(RECIPE, epochs=1)).directory
    plain, mixed = (
        finetune(str(start), rows, tmp_path / str(share), replace(RECIPE, epochs=1, kept_share=share)).directory
        for share in (0.0, 0.25)
    )

    old, new, between = (load_file(directory / "model.safetensors") for directory in (start, plain, mixed))
    for name, weight in between.items():
        np.testing.assert_allclose(weight, 0.25 * old[name] + 0.75 * new[name], atol=1e-6)
    assert not new["classifier.weight"].equal(old["classifier.weight"])


def test_the_command_makes_a_bundle_that_scores(base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from overheard.scoring.onnx import OnnxEngine
    from overheard.training.starter import main

    rows = toy_rows(1300, seed=1)
    lines = [json.dumps({"text": text, "label": label}) for text, label in zip(rows.texts, rows.labels, strict=True)]
    copies = [
        *sorted(lines, key=len)[-5:],
        *[json.dumps({"text": f"{row} lovely {row} times", "label": row % 3}) for row in range(60)],
    ]
    (tmp_path / "test.jsonl").write_text("\n".join(copies), encoding="utf-8")
    data, out = tmp_path / "rows.jsonl", tmp_path / "bundle"
    data.write_text("\n".join(lines), encoding="utf-8")
    out.mkdir()
    (out / "README.md").write_text("the card", encoding="utf-8")

    status = main(["--data", str(data), "--base", base, "--out", str(out), "--test", str(tmp_path / "test.jsonl")])

    assert status == 0
    assert OnnxEngine(out, threads=1).score(["the shop is lovely"]).shape == (1, 3)
    assert (out / "README.md").read_text(encoding="utf-8") == "the card"
    metrics = json.loads(capsys.readouterr().out)["metrics"]
    assert metrics["rows"] == 1234
    assert metrics["held_out"]["n"] == 66
    assert metrics["test"]["n"] == metrics["test_float"]["n"] == 60


def test_the_command_says_what_it_can_not_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from overheard.training.starter import main

    assert main(["--data", str(tmp_path / "no.csv"), "--base", "x", "--out", str(tmp_path / "out")]) == 1
    assert "no.csv: there is no such file" in capsys.readouterr().err


def test_progress_is_told_after_every_step(base: str, tmp_path: Path) -> None:
    told: list[Progress] = []

    finetune(base, toy_rows(102, seed=1), tmp_path / "out", RECIPE, on_step=told.append)

    assert [progress.step for progress in told] == list(range(1, 24 * 7 + 1))
    assert {progress.steps for progress in told} == {24 * 7}
    assert [told[index].epoch for index in (6, -1)] == [1.0, 24.0]
    assert told[-1].loss < told[0].loss / 2
    assert all(progress.eta_s > 0 for progress in told[:-1])
    assert told[-1].eta_s == 0
    assert {progress.macro_recall for progress in told} == {None}


@pytest.mark.parametrize("step", [1, 5])
def test_a_training_is_stopped_within_a_step_and_leaves_nothing(step: int, base: str, tmp_path: Path) -> None:
    class Cancelled(Exception):
        pass

    steps: list[int] = []

    def cancel(progress: Progress) -> None:
        steps.append(progress.step)
        if progress.step == step:
            raise Cancelled

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "of an earlier training").touch()
    with pytest.raises(Cancelled):
        finetune(base, toy_rows(60, seed=1), tmp_path / "out", RECIPE, on_step=cancel)

    assert steps == list(range(1, step + 1))
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "of an earlier training"]
