"""What a scoring message asks for: the pieces of waiting requests, or a job's next parts for about a second."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, wait
from datetime import UTC, datetime
from itertools import islice

from overheard.errors import ScoringFailed
from overheard.scoring.batcher import Batcher
from overheard.scoring.engine import Floats
from overheard.scoring.lanes import Lane
from overheard.settings import Settings
from overheard.store import jobs, parts
from overheard.store.database import Database
from overheard.store.tables.work import Job

SLICE_S = 1.0  # then another job gets its turn; with one part on top it stays under the 2 s that a task may take


def score_pieces(
    batcher: Batcher, texts: Sequence[str], sizes: Sequence[tuple[str, int]], lane: Lane
) -> list[tuple[str, Floats | ScoringFailed]]:
    """Probabilities (n, 3) of each piece, or why it has none. sizes: how the texts belong together, as (id, n)."""
    rest = iter(texts)
    pieces = [list(islice(rest, count)) for _, count in sizes]
    try:
        answers = batcher.submit_all(pieces, lane)
    except ScoringFailed as error:
        return [(piece_id, error) for piece_id, _ in sizes]
    return [(piece_id, _outcome(answer)) for (piece_id, _), answer in zip(sizes, answers, strict=True)]


def _outcome(answer: Future[Floats]) -> Floats | ScoringFailed:
    try:
        return answer.result()
    except ScoringFailed as error:
        return error


def score_next_parts(database: Database, batcher: Batcher, job_id: str, settings: Settings) -> tuple[Job, int]:
    """Score free parts of a job for about SLICE_S. Returns the job, and how many messages it needs next.

    Two while there are parts enough: so a job spreads over all workers that have a turn for it (see `Turns`).
    Texts that the model can't score fail the job. Raises NotFound.
    """
    until = time.monotonic() + SLICE_S
    while True:
        with database.write() as session:
            work = parts.take(session, job_id, datetime.now(UTC), settings.lease_s, settings.max_attempts)
            job = jobs.get(session, job_id)
        if work is None:
            return job, 0  # finished, or others hold what is left: should they die, the reaper sends a message
        job = _score(database, batcher, job_id, work, settings.lease_s)
        if time.monotonic() >= until:
            with database.read() as session:
                return job, parts.count_free(session, job_id, datetime.now(UTC), at_most=2)


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
