"""Housekeeping of jobs: find lost ones, delete old ones."""

from datetime import UTC, datetime

from overheard.store import jobs
from worker import context, names
from worker.app import app
from worker.living import heard_of


@app.task(name=names.REAP_JOBS)
def reap_jobs() -> None:
    house, now = context.get(), datetime.now(UTC)
    jobs.drop_abandoned(house.database, now)
    kinds = set(names.JOBS) if heard_of(house.redis, names.TRAINERS) else set(jobs.SCORED)
    with house.database.write() as session:
        lost = jobs.reclaim_lost(session, now, house.settings.lease_s, kinds)
    for job in lost:  # without an expiry: a worker that finds one message expired refuses all others of its id
        app.send_task(names.JOBS[job.kind], args=[job.id], task_id=job.id)


@app.task(name=names.PURGE_JOBS)
def purge_jobs() -> None:
    jobs.purge(context.get().database, datetime.now(UTC), context.get().settings.keep_jobs_days)
