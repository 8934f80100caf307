"""A training that nobody asked for: begun when there is something new to learn and somebody who can."""

import logging
from datetime import UTC, datetime
from typing import Any

from overheard.errors import TrainingRuns
from overheard.store import trainings
from worker import context, names
from worker.app import app
from worker.living import heard_of
from worker.slots import NotNow

log = logging.getLogger(__name__)


def begin(due_at: datetime, owner: str) -> dict[str, Any]:
    """`job_id`; None, and `why`, when none is needed. Raises NotNow where nobody could train, and while one runs.

    due_at: a training that was begun since will do.
    """
    house = context.get()
    with house.database.read() as session:
        if reason := trainings.why_not(session, due_at):
            log.info("no training for %s: %s", owner, reason)
            return {"job_id": None, "why": reason}
    if not heard_of(house.redis, names.TRAINERS):
        raise NotNow("no training worker")
    try:
        job = trainings.start(house.database, {}, owner=owner, now=datetime.now(UTC), lease_s=house.settings.lease_s)
    except TrainingRuns as running:
        raise NotNow(str(running)) from None
    app.send_task(names.TRAIN, args=[job.id], task_id=job.id)
    return {"job_id": job.id}


def try_to_begin(due_at: datetime, owner: str) -> dict[str, Any]:
    """The same, where it is no matter of its own: `why` says what is in the way."""
    try:
        return begin(due_at, owner)
    except NotNow as reason:
        return {"job_id": None, "why": str(reason)}
