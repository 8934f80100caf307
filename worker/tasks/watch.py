"""Watching: is the champion still right, and was anything of the timetable missed?"""

import logging
from datetime import UTC, datetime

from beat_schedule import TIMETABLE
from worker import context, names
from worker.app import app
from worker.slots import Outcome, missed, once_a_slot

log = logging.getLogger(__name__)


@app.task(name=names.CHECK_ACCURACY, bind=True)
@once_a_slot
def check_accuracy(_: datetime) -> Outcome:
    from overheard import accuracy  # it brings the model's runtime, which only this task needs here

    outcome = accuracy.check(context.get().database, context.get().settings, datetime.now(UTC))
    log.info("accuracy: %s", outcome)
    return outcome


@app.task(name=names.CATCH_UP, bind=True)
@once_a_slot
def catch_up(_: datetime) -> Outcome:
    with context.get().database.read() as session:
        runs = missed(session, datetime.now(UTC))
    for run in runs:
        app.send_task(TIMETABLE[run.name].task, headers=run.headers())
    return {"started": [run.name for run in runs]}
