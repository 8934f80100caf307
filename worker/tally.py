"""What this worker told callers, by hour and model: kept in memory for a few seconds, then added to the database."""

import logging
import threading
import time
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.exc import SQLAlchemyError

from overheard.scoring.engine import Floats
from overheard.store import hourly, hours
from overheard.store.database import Database

EVERY_S: Final = 10.0
log = logging.getLogger(__name__)


class Tally:
    """A process that is killed takes the last EVERY_S seconds of it along: these are statistics, no answers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._sums: dict[tuple[datetime, str], NDArray[np.float64]] = {}
        self._kept_at = time.monotonic()

    def add(self, model: str, probabilities: Floats) -> None:
        """probabilities: (n, 3)."""
        if len(probabilities) == 0:
            return
        place = (hours.start(datetime.now(UTC)), model)
        with self._lock:
            counted = np.append(probabilities.sum(axis=0, dtype=np.float64), len(probabilities))
            self._sums[place] = self._sums.get(place, np.zeros(4)) + counted
            is_time = time.monotonic() - self._kept_at >= EVERY_S
        if is_time:
            self.keep()

    def keep(self) -> None:
        """Write what there is. What can't be written now is lost, and said so."""
        with self._lock:
            found, self._sums, self._kept_at = self._sums, {}, time.monotonic()
        try:
            if found:
                with self._database.write() as session:
                    for (hour, model), counted in sorted(found.items()):
                        hourly.count_calls(session, hour, model, int(counted[3]), counted[:3])
        except SQLAlchemyError as error:
            log.warning("calls of some seconds are not counted: %s", error)
