"""The learning loop on a real stack, with a tiny champion that knows nothing: labels, training, verdict, promotion."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from overheard.scoring.bundle import load_manifest
from tests.stack import OVERHEARD, RunningStack, eventually
from tests.toy import toy_posts

pytest.importorskip("torch", reason="training is not installed")

from tests.checkpoints import learning_stack  # after the skip: it imports torch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NAMES = ("negative", "neutral", "positive")
SLOW = {"epochs": 60}
QUICK = {"epochs": 5}


@pytest.fixture(autouse=True)
def at_rest(loop: RunningStack) -> Iterator[None]:
    """What a failed test leaves running does not fail the next one."""
    yield
    for job in loop.client.get("/jobs").json()["jobs"]:
        if job["kind"] == "training" and job["finished_at"] is None:
            loop.client.delete(f"/jobs/{job['id']}")


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with learning_stack(tmp_path_factory.mktemp("loop"), lease_s=5, reap_every_s=2, checkpoint_every_s=2) as running:
        yield running


def start(loop: RunningStack, options: dict[str, Any]) -> str:
    answer = loop.client.post("/train/start", json=options)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def state(loop: RunningStack) -> dict[str, Any]:
    return dict(loop.client.get("/train/get_state").json())


def ended(loop: RunningStack, job_id: str, timeout_s: float = 240) -> dict[str, Any]:
    job = eventually(lambda: (job := loop.job(job_id))["state"] not in ("queued", "running") and job, timeout_s)
    assert isinstance(job, dict)
    return job


def until_step(loop: RunningStack, job_id: str, step: int) -> dict[str, Any]:
    job = eventually(lambda: (job := loop.job(job_id))["progress"]["done"] >= step and job, 120)
    assert isinstance(job, dict)
    assert job["state"] == "running", job
    return job


def serving(loop: RunningStack) -> str:
    return str(loop.infer(["word1 word50"]).headers["Overheard-Model"])


def versions(loop: RunningStack) -> set[str]:
    return {model["version"] for model in loop.client.get("/models").json()["models"]}


def saved_step(loop: RunningStack, job_id: str) -> int:
    """The step at which the newest complete checkpoint was written; 0: there is none."""
    complete = (loop.home / "trainings" / job_id / "checkpoints").glob("checkpoint-*/complete.json")
    return max((int(path.parent.name.rpartition("-")[2]) for path in complete), default=0)


def trainer(loop: RunningStack) -> Any:
    """The process that trains: the child of the training worker that holds torch."""
    return max(loop.program("worker", "train").children(), key=lambda child: child.memory_info().rss)


def test_the_whole_way_from_labels_to_a_new_champion_and_back(loop: RunningStack) -> None:
    before = serving(loop)
    labels = [{"text": text, "label": NAMES[label], "brand": "acme"} for text, label in toy_posts(300, seed=2)]
    assert loop.client.post("/labels", json={"labels": labels}).json()["added"] > 290

    job_id = start(loop, QUICK)
    celery = Celery(broker=loop.redis_url, backend=loop.redis_url)
    said, steps = set(), set()
    while (now := state(loop))["state"] in ("queued", "running"):
        said.add(celery.AsyncResult(job_id).state)
        steps.add(now["progress"]["done"])
        time.sleep(0.2)
    assert now["state"] == "succeeded", loop.job(job_id)
    assert now["job_id"] == job_id
    assert now["done"]
    assert state(loop) == now
    assert len(steps) > 3
    assert "PROGRESS" in said
    eventually(lambda: celery.AsyncResult(job_id).state == "SUCCESS", 10)

    facts = loop.job(job_id)["facts"]
    assert facts["snapshot"]["fresh"]["train"] > 200
    assert facts["verdict"]["promoted"], facts["verdict"]["reasons"]
    version = facts["model"]
    eventually(lambda: serving(loop) == version, 15)
    (model,) = [model for model in loop.client.get("/models").json()["models"] if model["version"] == version]
    assert (model["alias"], model["job_id"]) == ("champion", job_id)
    assert model["verdict"]["reasons"]

    exported = loop.home.parent / "exported"
    command = [OVERHEARD, "export", str(exported), "--model", version]
    subprocess.run(command, env=loop.environment, check=True)
    assert load_manifest(exported).version == version
    card = (exported / "README.md").read_text()
    assert model["verdict"]["reasons"][0].partition(":")[0] in card
    assert facts["snapshot"]["hash"][:12] in card

    rolled = loop.client.post("/models/rollback", json={"reason": "a test"}).json()
    assert (rolled["version"], rolled["previous"]) == (before, version)
    eventually(lambda: serving(loop) == before, 15)
    assert not (loop.home / "trainings" / job_id).exists()


def test_a_killed_training_goes_on_and_ends_once(loop: RunningStack) -> None:
    job_id = start(loop, SLOW)
    assert loop.client.post("/train/start", json=QUICK).json()["job_id"] == job_id
    saved = eventually(lambda: saved_step(loop, job_id), 120)
    trainer(loop).send_signal(signal.SIGKILL)
    eventually(lambda: [line["line"] for line in loop.job(job_id)["log"]].count("fine-tuning") == 2, 60)
    resumed = eventually(lambda: loop.job(job_id)["progress"]["done"], 60)
    assert resumed >= saved
    job = ended(loop, job_id)
    assert job["state"] == "succeeded", job
    assert sum("succeeded" in line["line"] for line in job["log"]) == 1
    assert loop.client.get("/models").json()["models"][0]["job_id"] == job_id


def test_two_simultaneous_starts_train_once(loop: RunningStack) -> None:
    answers: list[Any] = []
    clients = [
        threading.Thread(target=lambda: answers.append(loop.client.post("/train/start", json=QUICK))) for _ in range(4)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    job_id = answers[0].json()["job_id"]
    unfinished = [job["id"] for job in loop.client.get("/jobs").json()["jobs"] if job["finished_at"] is None]
    assert unfinished == [job_id]
    loop.client.delete(f"/jobs/{job_id}")


def test_cancel_stops_at_once_and_leaves_nothing_half_made(loop: RunningStack) -> None:
    before = versions(loop)
    job_id = start(loop, SLOW)
    until_step(loop, job_id, 3)
    assert loop.client.delete(f"/jobs/{job_id}").json()["state"] == "cancelled"
    folder = loop.home / "trainings" / job_id
    eventually(lambda: not folder.exists(), 10)
    assert versions(loop) == before
    assert state(loop)["state"] == "cancelled"


def test_a_challenger_that_is_not_better_is_refused(loop: RunningStack) -> None:
    before = serving(loop)
    job = ended(loop, start(loop, {"epochs": 0.01}))
    assert job["state"] == "succeeded", job
    verdict = job["facts"]["verdict"]
    assert not verdict["promoted"]
    assert verdict["reasons"] or verdict["vetoes"]
    assert serving(loop) == before
    assert job["facts"]["model"] in versions(loop)


def test_data_that_can_not_be_used_fails_with_what_to_do(loop: RunningStack, tmp_path: Path) -> None:
    job = ended(loop, start(loop, {"data": str(tmp_path / "missing.csv")}))
    assert job["state"] == "failed"
    assert "there is no such file" in job["error"]["detail"]
    (tmp_path / "odd.csv").write_text("text,label\n" + "a text,furious\n" * 100)
    job = ended(loop, start(loop, {"data": str(tmp_path / "odd.csv")}))
    assert "'furious' is no label" in job["error"]["detail"]
    assert state(loop)["error"].startswith("DataError: ")


def test_refreshes_start_where_the_first_of_them_started(loop: RunningStack) -> None:
    started = serving(loop)
    for seed in (7, 8):
        labels = [{"text": text, "label": NAMES[label]} for text, label in toy_posts(60, seed)]
        assert loop.client.post("/labels", json={"labels": labels}).json()["added"] > 50
        job = ended(loop, start(loop, {"base": "champion"}))
        assert job["state"] == "succeeded", job
        params = job["facts"]["params"]
        assert (params["is_refresh"], params["base"], params["champion"]) == (True, started, serving(loop))
        if not job["facts"]["verdict"]["promoted"]:
            assert loop.client.post(f"/models/{job['facts']['model']}/promote").status_code == 200
        eventually(lambda version=job["facts"]["model"]: serving(loop) == version, 20)


def test_the_weekly_training_starts_when_there_are_new_labels(loop: RunningStack) -> None:
    before, log = state(loop)["job_id"], loop.home / "logs" / "io.log"
    with Celery(broker=loop.redis_url) as celery:
        celery.send_task("train.weekly", queue="io")
        eventually(lambda: "no training for beat: no new labels" in log.read_text(), 20)
        assert state(loop)["job_id"] == before
        loop.client.post("/labels", json={"labels": [{"text": "word1 word2 of this week", "label": "negative"}]})
        celery.send_task("train.weekly", queue="io")
        eventually(lambda: state(loop)["job_id"] != before, 20)


def test_a_promotion_under_load_loses_no_request(loop: RunningStack) -> None:
    now, *others = sorted(versions(loop), key=lambda version: version != serving(loop))
    stop = threading.Event()
    statuses: list[int] = []
    seen: set[str] = set()

    def ask(number: int) -> None:
        with loop.new_client(loop.key) as client:
            while not stop.is_set():
                answer = client.post("/inference", json={"messages": [f"word{number} word{len(statuses)}"]})
                statuses.append(answer.status_code)
                seen.add(answer.headers.get("Overheard-Model", ""))

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(32)]
    for client in clients:
        client.start()
    for version in (others[0], now):
        assert loop.client.post(f"/models/{version}/promote", json={}).status_code == 200
        eventually(lambda version=version: list(loop.client.get("/models").json()["serving"]) == [version], 20)
        eventually(lambda version=version: version in seen, 20)  # before the next is asked for
    stop.set()
    for client in clients:
        client.join()
    assert set(statuses) == {200}
    assert seen == {now, others[0]}
    assert len(statuses) > 100


def test_a_corrupt_bundle_is_not_served(loop: RunningStack) -> None:
    before = serving(loop)
    known = loop.client.get("/models").json()["models"]
    (other, *_) = [model["version"] for model in known if model["job_id"] and model["version"] != before]
    model = loop.home / "models" / "versions" / other / "model.onnx"
    whole = model.read_bytes()
    model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        assert loop.client.post(f"/models/{other}/promote", json={}).status_code == 200
        (problem,) = eventually(lambda: loop.client.get("/health/ready").json()["problems"], 20)
        assert other in problem
        assert "damaged" in problem
        assert serving(loop) == before
    finally:
        model.write_bytes(whole)
        loop.client.post("/models/rollback")
    eventually(lambda: not loop.client.get("/health/ready").json()["problems"], 20)
