"""Alerts: what is watched is looked at."""

from datetime import UTC, datetime

from overheard import watching
from worker import context, machine, names
from worker.app import app


@app.task(name=names.WATCH)
def watch() -> None:
    house = context.get()
    outcome = watching.look(house.database, house.settings, machine.seen(house.redis), datetime.now(UTC))
    if outcome.told:
        app.send_task(names.DELIVER)
