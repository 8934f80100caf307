"""Beats die, Redis forgets: what was paused stays paused, somebody leads, and no slot is done twice."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from celery import Celery
from redbeat import RedBeatSchedulerEntry
from redis import Redis

from beat_schedule import TIMETABLE
from overheard.store import labels, schedules, trainings
from overheard.store.database import Database, migrate
from overheard.store.labels import NewLabel
from overheard.store.tables.timetable import Slot
from tests.redis_server import redis_server
from tests.stack import RunningStack, eventually
from worker import names
from worker.entries import Run, latest

pytestmark = pytest.mark.slow
PREFIX = "overheard:redbeat:"
LEADS, SENDS = "Acquired lock", "Sending due task"


class Worker:
    """`python -m worker KIND` with a log of its own."""

    def __init__(self, kind: str, log: Path, environment: dict[str, str]) -> None:
        self.log = log
        with log.open("w") as output:
            command = [sys.executable, "-m", "worker", kind]
            self.process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)

    def said(self, what: str) -> int:
        """How many lines of its log have this."""
        return len(re.findall(what, self.log.read_text()))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class House:
    """A Redis, a database, and whatever workers a test starts."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder, self.redis_url = folder, redis_url
        self.database = Database(f"sqlite:///{folder / 'overheard.db'}")
        self.workers: list[Worker] = []
        self.celery = Celery(broker=redis_url, set_as_current=False)
        self.celery.conf.update(redbeat_redis_url=redis_url, redbeat_key_prefix=PREFIX, redbeat_redis_options={})

    def start(self, kind: str) -> Worker:
        home = {"OVERHEARD_HOME": str(self.folder), "OVERHEARD_REDIS_URL": self.redis_url}
        environment = {**RunningStack(self.folder).environment, **home}
        self.workers.append(Worker(kind, self.folder / f"{kind}-{len(self.workers)}.log", environment))
        return self.workers[-1]

    def miss(self, name: str) -> datetime:
        """As if no Beat had led for two weeks: the time that is due then."""
        entry = RedBeatSchedulerEntry.from_key(PREFIX + name, app=self.celery)
        entry.reschedule(datetime.now(UTC) - timedelta(weeks=2))
        return latest(entry.schedule, datetime.now(UTC))

    def send(self, task: str, headers: dict[str, str] | None = None) -> None:
        self.celery.send_task(task, headers=headers, queue=names.IO)

    def runs(self, name: str) -> list[Slot]:
        with self.database.read() as session:
            return list(schedules.runs(session, name, 9))

    def finished(self, name: str) -> list[Slot]:
        return [run for run in self.runs(name) if run.finished_at]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    migrate(f"sqlite:///{tmp_path / 'overheard.db'}")
    with redis_server(tmp_path) as url:
        house = House(tmp_path, url)
        yield house
        for worker in house.workers:
            worker.kill()
        house.database.engine.dispose()


def test_when_the_leader_is_killed_another_leads_within_a_minute_and_does_what_was_due_once(house: House) -> None:
    io, first = house.start("io"), house.start("beat")
    eventually(lambda: first.said(SENDS))
    others = [house.start("beat") for _ in range(2)]
    eventually(lambda: all(beat.said("beat: Starting") for beat in others))
    seen = first.said(SENDS)
    eventually(lambda: first.said(SENDS) > seen + 2)
    assert [(beat.process.poll(), beat.said(LEADS), beat.said(SENDS)) for beat in others] == [(None, 0, 0)] * 2

    first.kill()
    killed_at = time.monotonic()
    sunday = house.miss("weekly-retrain")
    eventually(lambda: any(beat.said(SENDS) for beat in others), 60)
    assert time.monotonic() - killed_at < 60
    assert sum(beat.said(LEADS) for beat in others) == 1
    (run,) = eventually(lambda: house.finished("weekly-retrain"))
    assert (run.due_at, schedules.outcome_of(run)) == (sunday, {"job_id": None, "why": "no new labels"})

    for _ in range(3):
        house.send(names.RETRAIN, Run("weekly-retrain", sunday).headers())
    eventually(lambda: io.said("is done already") == 3)
    assert [again.claimed_at for again in house.finished("weekly-retrain")] == [run.claimed_at]
    assert sum(beat.said(f"{SENDS} weekly-retrain") for beat in others) == 1


def test_a_weekly_training_whose_message_was_lost_is_begun_by_the_daily_check_when_somebody_can_train(
    house: House,
) -> None:
    now = datetime.now(UTC)
    due_at = (now - timedelta(hours=2)).replace(second=0, microsecond=0)
    with house.database.write() as session:
        schedules.note(session, TIMETABLE, now - timedelta(weeks=3))
        cron = f"{due_at.minute} {due_at.hour} * * {due_at.isoweekday() % 7}"
        schedules.change(session, "weekly-retrain", "me", now - timedelta(weeks=2), cron=cron)
        labels.save(session, [NewLabel("a new label", 2)], "ann", now)
        for name in TIMETABLE.keys() - {"weekly-retrain"}:
            schedules.record(session, name, "", now, {})
    io = house.start("io")
    house.send(names.CATCH_UP)
    eventually(lambda: io.said("weekly-retrain not now: no training worker"))
    eventually(lambda: not house.runs("weekly-retrain"))

    with Redis.from_url(house.redis_url) as redis:
        redis.hset(names.TRAINERS, "train@here", json.dumps({"at": time.time()}))
    house.send(names.CATCH_UP)
    (run,) = eventually(lambda: house.finished("weekly-retrain"))
    with house.database.read() as session:
        training = trainings.newest(session)
    assert training is not None
    assert (run.due_at, schedules.outcome_of(run)) == (due_at, {"job_id": training.id})


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Not the one that other tests share: it is broken here."""
    with RunningStack(tmp_path_factory.mktemp("timetable") / "home") as running:
        yield running


def test_what_is_paused_by_curl_stays_paused_when_beat_and_redis_are_restarted(stack: RunningStack) -> None:
    dag = "/api/v1/dags/sentiment_inspector"
    paused = curl(stack, "PATCH", f"{dag}?update_mask=is_paused", '{ "is_paused": true }')
    assert (paused["dag_id"], paused["is_paused"]) == ("sentiment_inspector", True)
    seen = beat_sent(stack, "inspect-feeds")

    for restart in (restart_beat, restart_redis, empty_redis):
        restart(stack)
        goes_on(stack)
        assert stack.client.get(dag).json()["is_paused"], restart
    assert beat_sent(stack, "inspect-feeds") == seen

    assert curl(stack, "PATCH", f"{dag}?update_mask=is_paused", '{ "is_paused": false }')["is_paused"] is False
    eventually(lambda: beat_sent(stack, "inspect-feeds") > seen)
    assert curl(stack, "POST", f"{dag}/dagRuns", "{}")["state"] == "queued"


def test_a_training_is_started_by_curl_as_airflow_would_and_never_a_second(stack: RunningStack) -> None:
    runs = "/api/v1/dags/sentiment_trainer/dagRuns"
    with Redis.from_url(stack.redis_url) as redis:
        redis.hset(names.TRAINERS, "train@here", json.dumps({"at": time.time()}))
    assert curl(stack, "POST", runs, "{}")["state"] == "queued"
    (job,) = stack.client.get("/jobs").json()["jobs"]
    refused = curl(stack, "POST", runs, "{}")
    assert (refused["status"], refused["job_id"]) == (409, job["id"])
    (run,) = stack.client.get("/schedules/weekly-retrain").json()["runs"]
    assert (run["asked_by"], run["outcome"]) == ("admin", {"job_id": job["id"]})


def curl(stack: RunningStack, method: str, path: str, body: str) -> dict[str, Any]:
    """The call as Airflow's users write it; without curl the same bytes."""
    url, user = f"{stack.url}{path}", ("airflow", stack.key)
    if shutil.which("curl"):
        command = ["curl", "-s", "-X", method, url, "--user", ":".join(user), "-d", body]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    else:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        text = httpx2.request(method, url, content=body, headers=form, auth=user, trust_env=False).text
    return dict(json.loads(text))


def beat_sent(stack: RunningStack, name: str) -> int:
    return (stack.home / "logs" / "beat.log").read_text().count(f"{SENDS} {name} ")


def goes_on(stack: RunningStack) -> None:
    """Somebody leads again, for longer than a paused tick would have waited."""
    seen = beat_sent(stack, "aggregate")
    eventually(lambda: beat_sent(stack, "aggregate") > seen + 3, 75)


def restart_beat(stack: RunningStack) -> None:
    beat = stack.program("worker", "beat")
    beat.terminate()
    beat.wait(20)


def restart_redis(stack: RunningStack) -> None:
    redis = next(process for process in stack.processes() if "server" in process.name())
    redis.terminate()
    redis.wait(20)


def empty_redis(stack: RunningStack) -> None:
    with Redis.from_url(stack.redis_url) as redis:
        redis.flushall()
