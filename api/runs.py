"""Run an entry of the timetable now, because somebody asks for it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from api.services import Services
from overheard.errors import ScoringUnavailable
from overheard.store import schedules
from worker import names, timetable
from worker.entries import Entry, Run


@dataclass(frozen=True)
class Begun:
    """A run that was asked for. job_id: of the training that it is, if it is one."""

    name: str
    due_at: datetime
    job_id: str | None = None


def run_now(house: Services, name: str, asked_by: str) -> Begun:
    """Also while the entry is paused. The weekly training is begun as POST /train/start begins one: without new labels.

    Raises NotFound; Conflict while it runs (TrainingRuns for a training); ScoringUnavailable when nobody could do it.
    """
    entry, now = timetable.named(name), datetime.now(UTC)
    if entry.task == names.RETRAIN:
        return _train(house, name, asked_by, now)
    _claim(house, entry, name, asked_by, now)
    try:
        house.desk.send_run(entry.task, Run(name, now, is_asked=True))
    except ScoringUnavailable:
        with house.database.write() as session:
            schedules.forget(session, name, now)
        raise
    return Begun(name, now)


def _train(house: Services, name: str, asked_by: str, now: datetime) -> Begun:
    job = house.desk.start_training({}, asked_by, None)
    with house.database.write() as session:
        schedules.record(session, name, asked_by, now, {"job_id": job.id})
    return Begun(name, now, job.id)


def _claim(house: Services, entry: Entry, name: str, asked_by: str, now: datetime) -> None:
    """Its task finishes the run; of a tick no more is known than that it was asked for."""
    with house.database.write() as session:
        if not entry.is_tick:
            schedules.ask(session, name, asked_by, now)
        else:
            called = {"feeds": schedules.call_feeds(session, now)} if entry.task == names.INSPECT else {}
            schedules.record(session, name, asked_by, now, called)
