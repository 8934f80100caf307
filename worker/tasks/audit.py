"""Audits: samples are drawn, and the model is judged without labels."""

from datetime import UTC, datetime

from overheard.store import draws, qualities
from worker import context, names
from worker.app import app
from worker.slots import Outcome, once_a_slot


@app.task(name=names.DRAW_AUDITS, bind=True)
@once_a_slot
def draw_audits(due_at: datetime) -> Outcome:
    house = context.get()
    return draws.draw_due(house.database, house.settings.audits_per_week, due_at)


@app.task(name=names.ESTIMATE_QUALITY, bind=True)
@once_a_slot
def estimate_quality(_: datetime) -> Outcome:
    return qualities.measure(context.get().database, datetime.now(UTC))
