"""`overheard train`: through the running stack, else here."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from overheard.errors import TrainingFailed
from overheard.settings import Settings

if TYPE_CHECKING:
    from overheard.store.tables.work import Job

LOOK_EVERY_S = 1.0


def train(
    data: Annotated[
        str | None,
        typer.Option(help="Base data: a Hub data set id[:config] or a file; unset: OVERHEARD_TRAINING_DATA."),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="champion, a directory or a Hub id; unset: OVERHEARD_BASE_MODEL.")
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Instead of the recipe's.", min=0.01, max=100)] = None,
    allow_slower: Annotated[
        bool, typer.Option("--allow-slower", help="Promote although it scores more slowly than OVERHEARD_MAX_SLOWDOWN.")
    ] = False,
) -> None:
    """Fine-tune, prove, and let serve what is proved better. Exit status 1 when the training fails.

    A running stack does it, and goes on when this command is stopped; without one it is done here.

    Example: overheard train --data labelled.parquet --epochs 2
    """
    from overheard import client

    settings = Settings.load()
    given = {"data": data, "base": base, "epochs": epochs, "allow_slower": allow_slower}
    options = {name: value for name, value in given.items() if value}
    job = _there(settings, options) if client.address(settings) else _here(settings, options)
    _conclude(job)


def _there(settings: Settings, options: dict[str, Any]) -> dict[str, Any]:
    from overheard.calls import Calls

    api = Calls.connect(settings)
    job_id = api.call("POST", "/train/start", options)["job_id"]
    shown = _Shown(f"training {job_id} through {api.url}; Ctrl-C leaves it running")
    while True:
        job: dict[str, Any] = api.call("GET", f"/jobs/{job_id}")
        shown.show(job["stage"], job["progress"]["done"], job["progress"]["total"], job["facts"])
        if job["state"] in ("succeeded", "failed", "cancelled"):
            return job
        time.sleep(LOOK_EVERY_S)


def _here(settings: Settings, options: dict[str, Any]) -> dict[str, Any]:
    """With the database of this home, so that a stack that is started later serves what came of it."""
    from overheard.stack import home
    from overheard.store import trainings
    from overheard.store.database import Database, migrate
    from overheard.training.run import run

    home.prepare(settings.home)
    migrate(settings.sql_url)
    database = Database(settings.sql_url)
    now = datetime.now(UTC)
    waiting = trainings.resumable(database, options, now) or trainings.start(
        database, options, owner="cli", now=now, lease_s=settings.lease_s
    )
    shown = _Shown(f"training {waiting.id} here, in {settings.home}; the same command goes on where it was stopped")

    def show(job: "Job") -> None:
        shown.show(job.stage, job.done, job.total, job.facts or {})

    job = run(waiting.id, database, settings, show)
    if job is None:
        raise TrainingFailed(f"another process is at training {waiting.id}")
    return {"id": job.id, "state": job.state, "error": job.error, "facts": job.facts or {}}


class _Shown:
    """A line per change of stage, and one that is written over as the steps go by."""

    def __init__(self, title: str) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._console.print(title)
        self._stage = ""

    def show(self, stage: str, done: int, total: int, facts: dict[str, Any]) -> None:
        if stage != self._stage:
            self._stage = stage
            self._console.print(f"  {stage}")
        if total and done < total and self._console.is_terminal:
            known = {"loss": facts.get("loss"), "macro-recall": facts.get("macro_recall")}
            told = ", ".join(f"{name} {value:.3f}" for name, value in known.items() if value is not None)
            eta = f", {facts['eta_s']:,.0f} s left" if facts.get("eta_s") else ""
            self._console.print(f"    step {done:,} of {total:,}  {told}{eta}   ", end="\r")


def _conclude(job: dict[str, Any]) -> None:
    if job["state"] != "succeeded":
        error = job["error"] or {"title": job["state"], "detail": f"training {job['id']}"}
        raise TrainingFailed(f"{error['title']}: {error['detail']}")
    facts = job["facts"]
    verdict = facts["verdict"]
    print(f"model {facts['model']}: {'promoted' if verdict['promoted'] else 'not promoted'}")
    for reason in [*verdict["vetoes"], *verdict["reasons"]]:
        print(f"  {reason}")
