"""Telling people: what is in the outbox, and the weekly digest."""

from datetime import UTC, datetime

from overheard.alerts import digest
from overheard.alerts.notify import Delivery
from worker import context, names
from worker.app import app
from worker.slots import Outcome, once_a_slot


@app.task(name=names.DELIVER)
def deliver() -> None:
    Delivery(context.get().database, context.get().settings).run()


@app.task(name=names.DIGEST, bind=True)
@once_a_slot
def tell_the_week(due_at: datetime) -> Outcome:
    return digest.announce(context.get().database, due_at, datetime.now(UTC))
