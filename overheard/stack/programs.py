"""What a stack consists of, in the order in which it starts."""

import sys
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Literal

from overheard.settings import Settings
from overheard.stack import ports, required

Group = Literal["queue", "work", "front"]


class Extra(StrEnum):
    """Programs that a stack can do without."""

    flower = "flower"
    mlflow = "mlflow"
    train = "train"


API = ("gunicorn", "-c", "python:api.serving", "api.app:create_app()")

# Groups stop one after another, the last first: the API drains, the workers finish or give back, then the queue saves.
# Together these seconds, and one more per group for supervisord to look, stay under the 30 that a stop may take.
STOP_S: dict[Group, int] = {"queue": 4, "work": 11, "front": 9}


@dataclass(frozen=True)
class Program:
    """A process of the stack. Its command runs in <home>/run; `probe` answers 200 when it is ready, None: it runs."""

    name: str
    command: tuple[str, ...]
    group: Group = "work"
    probe: str | None = None
    url: str = ""
    stage: int = 3  # programs of a stage start together, when those of the stages before are ready
    stop_signal: str = "TERM"  # QUIT: Celery ends at once what it would else wait for

    @property
    def key(self) -> str:
        """Supervisord's name for it."""
        return f"{self.group}:{self.name}"


def chosen(settings: Settings, server: Path | None, without: set[Extra]) -> list[Program]:
    """`server`: the embedded Redis-protocol server's binary; None: OVERHEARD_REDIS_URL names another."""
    api = ports.url(settings.host, settings.port)
    flower = ports.url(settings.host, settings.flower_port)
    mlflow = ports.url(mlflow_host(settings), settings.mlflow_port)
    python = (sys.executable, "-m")
    programs = [
        Program("redis", (str(server), "redis.conf"), "queue", stage=1),
        Program("api", (*python, *API), "front", f"{api}/health/live", api, stage=2),
        Program("ml", (*python, "worker", "ml"), probe=f"{api}/health/ready", stage=2),
        Program("io", (*python, "worker", "io")),
        Program("train", (*python, "worker", "train"), probe=f"{api}/health/training", stop_signal="QUIT"),
        Program("beat", (*python, "worker", "beat")),
        Program("flower", (*python, "worker", "flower"), probe=f"{flower}/healthcheck", url=flower),
        Program("mlflow", (*python, *_mlflow(settings)), probe=f"{mlflow}/health", url=mlflow),
    ]
    left_out = {*without, *(() if server else ("redis",)), *(("train",) if required.lacks("train") else ())}
    return [program for program in programs if program.name not in left_out]


def stages(programs: list[Program]) -> list[list[Program]]:
    """What starts together: first the queue, then what scoring needs, then the rest."""
    return [list(members) for _, members in groupby(programs, key=lambda program: program.stage)]


def mlflow_url(settings: Settings) -> str:
    """Of the server that is told of runs and models."""
    return settings.mlflow_url or ports.url(mlflow_host(settings), settings.mlflow_port)


def mlflow_host(settings: Settings) -> str:
    """It speaks in the clear, and the API shows what it knows: so it is never offered to other machines."""
    return settings.host if settings.is_loopback else "127.0.0.1"


def _mlflow(settings: Settings) -> tuple[str, ...]:
    listen = ("--host", mlflow_host(settings), "--port", str(settings.mlflow_port), "--workers", "1")
    return (
        "mlflow",
        "server",
        "--app-name",
        "basic-auth",
        *listen,
        "--backend-store-uri",
        "sqlite:///../mlflow.db",
        "--artifacts-destination",
        "../mlartifacts",
    )
