"""Delivery: what is due goes out, each recipient at its own pace, again and later where it did not get there."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

from overheard.alerts import outside
from overheard.alerts.compose import House, compose
from overheard.alerts.message import Message
from overheard.errors import OverheardError
from overheard.recipients import seal_of
from overheard.seal import Seal
from overheard.secret import ensure_secret
from overheard.settings import Settings
from overheard.store import outbox, recipients
from overheard.store.database import Database
from overheard.store.outbox import Held

AT_ONCE: Final = 8
"""Recipients that are told at the same time."""
TURN_S: Final = 90
"""After so long a recipient's turn is over; the next tick begins another."""
MAX_FAILURES: Final = 2
"""After so many in a turn a recipient can't be reached; one alone may be the message's fault."""
MAX_PROBLEM_CHARS: Final = 500
Send = Callable[[Settings, str, Message], str]
log = logging.getLogger(__name__)


class Delivery:
    """send: how a message gets to an address: `outside.send`, but in tests."""

    def __init__(self, database: Database, settings: Settings, send: Send = outside.send) -> None:
        """Raises SettingsError."""
        self._database, self._settings, self._send = database, settings, send
        self._house = House(ensure_secret(settings), settings.public_url)
        self._seal: Seal = seal_of(settings)

    def run(self) -> int:
        """Tell all who have something due. Returns how many notices got there.

        One recipient that hangs holds up no other: each has its own turn, and the next tick passes over who has.
        """
        with self._database.read() as session:
            due = outbox.due(session, datetime.now(UTC))
        if not due:
            return 0
        with ThreadPoolExecutor(min(AT_ONCE, len(due)), "deliver") as pool:
            return sum(pool.map(self.turn, due))

    def turn(self, recipient_id: int) -> int:
        """Tell one recipient what is due, oldest first. Returns how many notices got there."""
        told = failures = 0
        ends_at = time.monotonic() + TURN_S
        while time.monotonic() < ends_at and failures < MAX_FAILURES:
            with self._database.write() as session:
                held = outbox.take(session, recipient_id, datetime.now(UTC))
            if held is None:
                break
            if self._tell(held, is_last=failures + 1 == MAX_FAILURES):
                told += 1
            else:
                failures += 1
        return told

    def _tell(self, held: Held, *, is_last: bool) -> bool:
        """Whether it got there. Whatever goes wrong is this notice's problem alone."""
        try:
            url, message = self._message(held)
            problem = self._send(self._settings, url, message)
        except OverheardError as error:
            self._fail(held, str(error), is_last=is_last)
            return False
        except Exception as error:  # a message that can't be made must not hold up the others
            log.exception("notice %d can't be made", held.notice.id)
            self._fail(
                held, f"it can't be made ({type(error).__name__}): the worker's log has the rest", is_last=is_last
            )
            return False
        with self._database.write() as session:
            outbox.sent(session, held, datetime.now(UTC), problem)
        return True

    def _message(self, held: Held) -> tuple[str, Message]:
        """Where to, and what."""
        with self._database.read() as session:
            recipient = recipients.get(session, held.notice.recipient_id)
            message = compose(session, self._house, held.notice, datetime.now(UTC))
        return self._seal.open(recipient.url), message

    def _fail(self, held: Held, problem: str, *, is_last: bool) -> None:
        now, notice = datetime.now(UTC), held.notice
        with self._database.write() as session:
            again = outbox.failed(session, held, problem[:MAX_PROBLEM_CHARS], now)
            if is_last and again:
                outbox.postpone(session, notice.recipient_id, now, again)
        log.warning(
            "notice %d (%s) did not get to recipient %d, attempt %d: %s; %s",
            notice.id,
            notice.kind,
            notice.recipient_id,
            notice.attempts,
            problem,
            f"again at {again:%H:%M:%S} UTC" if again else "given up",
        )
