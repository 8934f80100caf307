"""Housekeeping of jobs: find lost ones, delete old ones, and old slots of the timetable with them."""

from datetime import UTC, datetime

from overheard.store import jobs, schedules
from worker import context, names
from worker.app import app
from worker.living import heard_of
from worker.slots import once_a_slot


@app.task(name=names.REAP_JOBS)
def reap_jobs() -> None:
    house, now = context.get(), datetime.now(UTC)
    jobs.drop_abandoned(house.database, now)
    kinds = set(names.JOBS) if heard_of(house.redis, names.TRAINERS) else set(jobs.SCORED)
    with house.database.write() as session:
        lost = jobs.reclaim_lost(session, now, house.settings.lease_s, kinds)
    for job in lost:  # without an expiry: a worker that finds one message expired refuses all others of its id
        app.send_task(names.JOBS[job.kind], args=[job.id], task_id=job.id)


@app.task(name=names.PURGE_JOBS, bind=True)
@once_a_slot
def purge_jobs(_: datetime) -> dict[str, int]:
    house, now = context.get(), datetime.now(UTC)
    gone = jobs.purge(house.database, now, house.settings.keep_jobs_days)
    with house.database.write() as session:
        return {"jobs": gone, "slots": schedules.purge(session, now, house.settings.keep_jobs_days)}
