"""Watching: is the champion still right, do posts drift away from it, was anything of the timetable missed?"""

import logging
from datetime import UTC, datetime

from beat_schedule import TIMETABLE
from overheard import drifting
from worker import context, names, retraining
from worker.app import app
from worker.slots import Outcome, missed, once_a_slot

log = logging.getLogger(__name__)


@app.task(name=names.CHECK_ACCURACY, bind=True)
@once_a_slot
def check_accuracy(_: datetime) -> Outcome:
    from overheard import accuracy  # it brings the model's runtime, which only this task needs here

    house, now = context.get(), datetime.now(UTC)
    outcome = accuracy.check(house.database, house.settings, now)
    log.info("accuracy: %s", outcome)
    if outcome["falls"] and house.settings.retrain_on_fall:
        outcome["retrain"] = retraining.try_to_begin(now, owner="accuracy-check")
    return outcome


@app.task(name=names.MEASURE_DRIFT, bind=True)
@once_a_slot
def measure_drift(_: datetime) -> Outcome:
    outcome = drifting.measure(context.get().database, context.get().settings, datetime.now(UTC))
    log.info("drift: %s", outcome)
    return outcome


@app.task(name=names.CATCH_UP, bind=True)
@once_a_slot
def catch_up(_: datetime) -> Outcome:
    with context.get().database.read() as session:
        runs = missed(session, datetime.now(UTC))
    for run in runs:
        app.send_task(TIMETABLE[run.name].task, headers=run.headers())
    return {"started": [run.name for run in runs]}
