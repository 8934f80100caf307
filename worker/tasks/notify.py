"""Telling people: what is in the outbox, and the weekly digest."""

from datetime import UTC, datetime, timedelta
from typing import Final

from overheard.alerts import digest
from overheard.alerts.notify import Delivery
from overheard.store import outbox
from worker import context, names
from worker.app import app
from worker.slots import Outcome, once_a_slot

KEPT: Final = timedelta(days=90)
"""So long it can be seen what became of a digest."""


@app.task(name=names.DELIVER)
def deliver() -> None:
    Delivery(context.get().database, context.get().settings).run()


@app.task(name=names.DIGEST, bind=True)
@once_a_slot
def tell_the_week(due_at: datetime) -> Outcome:
    house, now = context.get(), datetime.now(UTC)
    outcome = digest.announce(house.database, house.settings, due_at, now)
    with house.database.write() as session:
        outbox.purge(session, now - KEPT)
    return outcome
