"""Score a job's parts: lease one, score it, hand it back, for about a second at a time."""

import time
from concurrent.futures import wait
from datetime import UTC, datetime

from overheard.errors import ScoringFailed
from overheard.scoring.batcher import Batcher, Lane
from overheard.settings import Settings
from overheard.store import jobs, parts
from overheard.store.database import Database
from overheard.store.tables import Job

SLICE_S = 1.0  # then another job gets its turn; with one part on top it stays under the 2 s that a task may take


def score_next_parts(database: Database, batcher: Batcher, job_id: str, settings: Settings) -> tuple[Job, bool]:
    """Score free parts of a job for about SLICE_S. Returns the job, and whether it has more for the next message.

    Texts that the model can't score fail the job. Raises NotFound.
    """
    until = time.monotonic() + SLICE_S
    while True:
        with database.write() as session:
            work = parts.take(session, job_id, datetime.now(UTC), settings.lease_s, settings.max_attempts)
            job = jobs.get(session, job_id)
        if work is None:
            return job, False  # finished, or others hold what is left: should they die, the reaper sends a message
        job = _score(database, batcher, job_id, work, settings.lease_s)
        if time.monotonic() >= until:
            return job, job.state == "running"


def _score(database: Database, batcher: Batcher, job_id: str, work: parts.Work, lease_s: float) -> Job:
    answer = batcher.submit(work.texts, Lane.bulk)
    try:
        while not wait([answer], lease_s / 3).done and batcher.busy_s() < lease_s:  # a pass takes far less
            with database.write() as session:
                if not parts.renew(session, job_id, work.number, datetime.now(UTC), lease_s):
                    answer.cancel()
                    return jobs.get(session, job_id)
        scores = answer.result()
    except ScoringFailed as error:
        with database.write() as session:
            job = jobs.lock(session, job_id)
            jobs.finish(session, job, "failed", datetime.now(UTC), {"title": "scoring failed", "detail": str(error)})
            return job
    with database.write() as session:
        scored = parts.Answer(scores, batcher.engine.version)
        return parts.give_back(session, job_id, work.number, scored, datetime.now(UTC))
