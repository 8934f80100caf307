"""What is broken: a name, and what is done. A fault returns when its cause has gone."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from bench.chaos.house import House, eventually
from overheard.store.database import Database
from overheard.store.tables.work import Job
from worker import names

HELD_S: Final = 15.0
"""So long something stays away, is full or is wrong: longer than the lease and the visibility timeout."""
AN_HOUR_S: Final = 3600


@dataclass(frozen=True)
class Fault:
    """trains: a training is begun first. lacks: why it can't be tried on this machine; empty: it can."""

    name: str
    strike: Callable[[House], None]
    trains: bool = False
    lacks: Callable[[House], str] = lambda _: ""


def killing(*programs: str) -> Callable[[House], None]:
    return lambda house: house.kill(*programs)


def away(program: str) -> Callable[[House], None]:
    def strike(house: House) -> None:
        house.stop(program)
        time.sleep(HELD_S)
        house.start(program)

    return strike


def hanging(program: str) -> Callable[[House], None]:
    """Neither dead nor alive: connections stand, nothing answers."""

    def strike(house: House) -> None:
        process = house.process(program)
        process.suspend()
        time.sleep(HELD_S)
        process.resume()

    return strike


def all_at_once(house: House) -> None:
    house.kill(*house.programs())


def in_mid_training(strike: Callable[[House], None]) -> Callable[[House], None]:
    def later(house: House) -> None:
        assert eventually(lambda: _steps(house.database) > 0, 300), "the training did not begin"
        strike(house)

    return later


def _steps(database: Database) -> int:
    with database.read() as session:
        running = session.query(Job).where(Job.kind == "training", Job.state == "running").first()
        return running.done if running else 0


def supervisord_and_up(house: House) -> None:
    """Nothing is started again by itself: somebody has to say `overheard up`."""
    house.kill_up()
    house.up()


def postgres_away(house: House) -> None:
    assert house.postgres
    house.postgres.stop()
    time.sleep(HELD_S)
    house.postgres.start()


def disk_full(house: House) -> None:
    with house.full_disk():
        time.sleep(HELD_S)


def clock_ahead(house: House) -> None:
    """An hour ahead for a while, then right again: what was noted meanwhile is dated in the future."""
    house.set_clock(AN_HOUR_S)
    time.sleep(HELD_S)
    house.set_clock(0)


def clock_behind(house: House) -> None:
    house.set_clock(-AN_HOUR_S)
    time.sleep(HELD_S)
    house.set_clock(0)


def poison(house: House) -> None:
    """On every queue: bytes that are no JSON, JSON that is no message, an unknown task, wrong arguments, a pickle."""
    with house.redis() as redis:
        for queue in sorted(set(names.QUEUES.values())):
            task = next(task for task, where in names.QUEUES.items() if where == queue)
            for message in (
                b"\xff\x00 no JSON",
                b"[]",
                b"{}",
                _message("no.such.task", [], queue),
                _message(task, ["one", "too", "many", "arguments", "of", "them"], queue),
                _message(task, {"no": "list"}, queue),
                _message(task, [], queue, content_type="application/x-python-serialize"),
            ):
                redis.lpush(queue, message)


def _message(task: str, args: object, queue: str, content_type: str = "application/json") -> bytes:
    """As kombu lays it on a list."""
    number = str(uuid4())
    return json.dumps(
        {
            "body": json.dumps([args, {}, {}]),
            "content-encoding": "utf-8",
            "content-type": content_type,
            "headers": {"lang": "py", "task": task, "id": number, "root_id": number, "argsrepr": "()"},
            "properties": {
                "correlation_id": number,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "body_encoding": "utf-8",
                "delivery_tag": str(uuid4()),
            },
        }
    ).encode()


def _no_postgres(house: House) -> str:
    return "" if house.postgres else "SQLite is no server"


def _large_disk(house: House) -> str:
    return "" if house.is_small else "only root can mount a small file system"


def _leaves_out(*programs: str) -> Callable[[House], str]:
    def say(house: House) -> str:
        missing = [program for program in programs if program not in house.programs()]
        return f"{' and '.join(missing)} left out there" if missing else ""

    return say


def _no_clock(house: House) -> str:
    """One stack of each run has a clock that can be set."""
    return "" if house.can_set_clock else "its clock is the machine's"


FAULTS: Final = (
    Fault("nothing is broken", lambda _: time.sleep(HELD_S), trains=True),
    Fault("API's worker is killed", lambda house: house.kill_children("api")),
    Fault("API's master is killed", killing("api")),
    Fault("ml worker is killed", killing("ml")),
    Fault("io worker is killed", killing("io")),
    Fault(
        "train worker is killed in mid-training",
        in_mid_training(killing("train")),
        trains=True,
        lacks=_leaves_out("train"),
    ),
    Fault(
        "training process is killed in mid-training",
        in_mid_training(lambda house: house.kill_children("train")),
        trains=True,
        lacks=_leaves_out("train"),
    ),
    Fault("Beat is killed", killing("beat")),
    Fault("Flower and MLflow are killed", killing("flower", "mlflow"), lacks=_leaves_out("flower", "mlflow")),
    Fault("Redis is killed", killing("redis"), trains=True),
    Fault("all programs are killed at once", all_at_once),
    Fault("supervisord and `up` are killed", supervisord_and_up),
    Fault("Redis is stopped and started", away("redis"), trains=True),
    Fault("Redis hangs", hanging("redis")),
    Fault("database is stopped and started", postgres_away, trains=True, lacks=_no_postgres),
    Fault("MLflow is away while a model is trained", away("mlflow"), trains=True, lacks=_leaves_out("mlflow", "train")),
    Fault("disk is full", disk_full, trains=True, lacks=_large_disk),
    Fault("clock is an hour ahead for a while", clock_ahead, trains=True, lacks=_no_clock),
    Fault("clock is an hour behind for a while", clock_behind, trains=True, lacks=_no_clock),
    Fault("queues are poisoned", poison, trains=True),
)
