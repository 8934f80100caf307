"""Who watches the watching: when nobody looks at the rules any more, because Beat or its worker died, this API does.

In the API, and not in a worker: orchestrators probe it and start it again, it is no part of what Beat and the io worker
do, and it reaches both Redis and the database. Where several run, one of them gets the look.
"""

import logging
import threading
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from api.services import Services
from overheard import watching
from worker import machine

log = logging.getLogger(__name__)


class Watchdog:
    """Looks from a thread of its own, from `start` to the end of the process."""

    def __init__(self, house: Services) -> None:
        self._house = house
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._stopped = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(self._house.settings.watch_every_s):
            try:
                self.look(datetime.now(UTC))
            except SQLAlchemyError as error:
                log.warning("the watchdog can't look: %s", error)
            except Exception:
                log.exception("the watchdog stumbled")

    def look(self, now: datetime) -> None:
        """Nothing, as long as somebody looked not long ago."""
        house = self._house
        with house.database.read() as session:
            if not watching.is_overdue(session, house.settings, now):
                return
        outcome = watching.stand_in(house.database, house.settings, machine.seen(house.redis), now)
        if outcome is not None:
            log.warning("nobody looked at the alert rules for long: the API did")
            house.desk.deliver()  # nobody else asks for it now
