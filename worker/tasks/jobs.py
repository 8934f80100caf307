"""Housekeeping of jobs: find lost ones, delete old ones."""

from datetime import UTC, datetime

from overheard.store import jobs
from worker import context, names
from worker.app import app


@app.task(name=names.REAP_JOBS)
def reap_jobs() -> None:
    house, now = context.get(), datetime.now(UTC)
    jobs.drop_abandoned(house.database, now)
    with house.database.write() as session:
        lost = jobs.reclaim_lost(session, now, house.settings.lease_s)
    for job in lost:
        app.send_task(names.JOBS[job.kind], args=[job.id], task_id=job.id, expires=house.settings.lease_s)


@app.task(name=names.PURGE_JOBS)
def purge_jobs() -> None:
    jobs.purge(context.get().database, datetime.now(UTC), context.get().settings.keep_jobs_days)
