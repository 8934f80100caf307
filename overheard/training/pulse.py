"""A training's sign of life: once a second a thread says how far it is, and hears when nobody wants it any more."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Self

from sqlalchemy.exc import SQLAlchemyError

from overheard.errors import TrainingStopped
from overheard.store import trainings
from overheard.store.database import Database
from overheard.store.tables.work import Job
from overheard.store.trainings import Claim, Standing

EVERY_S: Final = 1.0
log = logging.getLogger(__name__)


class Pulse:
    """Beats from `with` to its end. `say` raises TrainingStopped once the training was cancelled or taken over."""

    def __init__(self, database: Database, claim: Claim, lease_s: float, show: Callable[[Job], None]) -> None:
        """show: is told the job after each beat; what it raises is logged."""
        self._database, self._claim, self._lease_s, self._show = database, claim, lease_s, show
        self._standing = Standing("starting")
        self._last_heard = time.monotonic()
        self._is_unwanted = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def say(self, stage: str, done: int = 0, total: int = 0, **facts: Any) -> None:
        """How far it is; `facts` stay until they are replaced."""
        if self._is_unwanted.is_set():
            raise TrainingStopped(f"training {self._claim.job_id} was cancelled, or another worker has it")
        self._standing = Standing(stage, done, total, {**(self._standing.facts or {}), **facts})

    def _run(self) -> None:
        while not self._is_unwanted.is_set():
            self._beat()
            if self._ended.wait(EVERY_S):
                return

    def _beat(self) -> None:
        try:
            with self._database.write() as session:
                job = trainings.tell(session, self._claim, self._standing, datetime.now(UTC), self._lease_s)
        except SQLAlchemyError as error:
            log.warning("the database does not listen: %s", error)
            if time.monotonic() - self._last_heard > self._lease_s:  # by now another worker may have been given it
                self._is_unwanted.set()
            return
        self._last_heard = time.monotonic()
        if job is None:
            self._is_unwanted.set()
            return
        try:
            self._show(job)
        except Exception as error:  # a display that is away is no reason to stop
            log.warning("progress can't be shown: %s", error)
