"""One training from its first row to its verdict: freeze the data, fine-tune, export, judge, decide, register.

A doubled message costs no more than a look.
"""

import errno
import logging
import shutil
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.orm import Session

from overheard.errors import NoRoom, OverheardError, TrainingStopped
from overheard.settings import Settings
from overheard.store import jobs, models, trainings
from overheard.store.database import Database
from overheard.store.tables.work import Job
from overheard.store.trainings import Claim
from overheard.training.pulse import Pulse
from overheard.training.stages import Options, Trained, Work

LOG_LINES: Final = 12
log = logging.getLogger(__name__)


def run(job_id: str, database: Database, settings: Settings, show: Callable[[Job], None]) -> Job | None:
    """Do a training that waits, or go on with one whose worker died. Returns the job as it stands afterwards.

    None when it has ended already or another worker is at it. show: is told the job about once a second.
    """
    with database.write() as session:
        claim = trainings.take(session, job_id, datetime.now(UTC), settings.lease_s, settings.max_attempts)
        job = jobs.get(session, job_id)
    if claim is None:
        return job if job.state in jobs.FINISHED else None
    folder = settings.trainings / job_id
    try:
        with Pulse(database, claim, settings.lease_s, show) as pulse:
            _clear(settings, database, job_id)
            work = Work(claim, Options(**claim.options), folder, database, settings, pulse)
            trained = work.train()
        _conclude(database, claim, trained, settings)
    except TrainingStopped as stopped:
        log.info("%s", stopped)
    except Exception as error:  # whatever went wrong, the job says so and the champion stays
        _fail(database, claim, error)
    with database.read() as session:
        job = jobs.get(session, job_id)
    if job.state in jobs.FINISHED and job.state != "failed":
        shutil.rmtree(folder, ignore_errors=True)
    show(job)
    return job


def _conclude(database: Database, claim: Claim, trained: Trained, settings: Settings) -> None:
    """Register, promote and end the job in one transaction. Raises TrainingStopped when somebody was faster."""
    now = datetime.now(UTC)
    verdict = trained.verdict.as_dict()
    with database.write() as session:
        job = _mine(session, claim)
        models.register(session, trained.manifest, now, job_id=job.id, facts=trained.facts, verdict=verdict)
        models.teach(session, trained.manifest.version, trained.taught)
        if trained.verdict.promoted:
            by, why = f"training {job.id}", trained.verdict.reasons[0]
            models.promote(session, trained.manifest.version, settings.first_model, by, why, now)
        decision = "promoted" if trained.verdict.promoted else "not promoted"
        jobs.note(session, job.id, now, f"{decision}: {'; '.join(trained.verdict.vetoes or trained.verdict.reasons)}")
        job.facts = {**(job.facts or {}), **trained.facts, "eta_s": 0}
        jobs.finish(session, job, "succeeded", now)


def _mine(session: Session, claim: Claim) -> Job:
    job = jobs.lock(session, claim.job_id)
    if job.state != "running" or job.attempts != claim.attempt:
        raise TrainingStopped(f"training {job.id} was cancelled, or another worker has it")
    return job


def _fail(database: Database, claim: Claim, error: Exception) -> None:
    log.error("training %s failed: %s", claim.job_id, error, exc_info=not isinstance(error, OverheardError))
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        error = NoRoom(f"the disk is full ({error.filename}): make room, then POST /jobs/{claim.job_id}/retry")
    told = {"title": type(error).__name__, "detail": str(error) or type(error).__name__}
    now = datetime.now(UTC)
    try:
        with database.write() as session:
            job = _mine(session, claim)
            if not isinstance(error, OverheardError):
                for line in "".join(traceback.format_exception(error)).splitlines()[-LOG_LINES:]:
                    jobs.note(session, job.id, now, line)
            jobs.finish(session, job, "failed", now, told)
    except TrainingStopped:
        log.info("its job has ended already")


def _clear(settings: Settings, database: Database, job_id: str) -> None:
    """Remove what trainings left behind that are over: cancelled while nobody was at them, or long failed."""
    for folder in settings.trainings.iterdir() if settings.trainings.exists() else ():
        with database.read() as session:
            job = session.get(Job, folder.name)
        if folder.name != job_id and (job is None or job.state != "failed"):
            shutil.rmtree(folder, ignore_errors=True)
