"""Everything that the API sends to workers, and the answers that it waits for: the only file that sends messages."""

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from datetime import UTC, datetime
from typing import cast
from uuid import uuid4

import numpy as np
from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis, RedisError
from sqlalchemy.exc import IntegrityError

from api import metrics
from api.workers import Heartbeat, living
from overheard.errors import ScoringFailed, ScoringUnavailable
from overheard.settings import Settings
from overheard.store import jobs, parts
from overheard.store.database import Database
from overheard.store.parts import Answer
from overheard.store.tables import Job
from worker import names

PUBLISH_RETRIES = {"max_retries": 3, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.5}
POLL_S = 0.5  # how soon a waiting request notices that the server is stopping
BUSY_RETRY_S, DOWN_RETRY_S = 1, 5
log = logging.getLogger(__name__)


class Desk:
    """Takes texts to the scoring workers. One per API process.

    Waiting requests get their answers by a reply list that one thread reads; work that outlives its request is a job
    in the database. Scoring is pure, so a part that stays unanswered is simply sent again and the first reply wins.
    """

    def __init__(self, celery: Celery, database: Database, redis: Redis, settings: Settings) -> None:
        self._celery, self._database, self._redis, self._settings = celery, database, redis, settings
        self._reply_to = names.replies(uuid4().hex)
        self._waiting: dict[str, Future[Answer]] = {}
        self._waiters = threading.BoundedSemaphore(settings.max_waiters)
        self._listener: threading.Thread | None = None
        self._lock = threading.Lock()
        self.is_stopping: Callable[[], bool] = lambda: False

    def score(self, cut: Sequence[list[str]], wait_s: float) -> list[Answer | None]:
        """One answer per part; None for those that were not there after `wait_s`, or when the server is stopping.

        Raises ScoringUnavailable when too many wait or no worker lives, ScoringFailed when a worker refused a part.
        """
        if not self._waiters.acquire(blocking=False):
            raise ScoringUnavailable(f"{self._settings.max_waiters} requests are waiting already", BUSY_RETRY_S)
        sent = {f"{uuid4()}": texts for texts in cut}
        answers: dict[str, Future[Answer]] = {part_id: Future() for part_id in sent}
        try:
            metrics.WAITING.inc()
            self._waiting.update(answers)
            self._listen()
            self._await(sent, answers, time.monotonic() + wait_s)
            return [answer.result() if answer.done() else None for answer in answers.values()]
        finally:
            for part_id in sent:
                self._waiting.pop(part_id, None)
            metrics.WAITING.dec()
            self._waiters.release()

    def _await(self, sent: dict[str, list[str]], answers: dict[str, Future[Answer]], deadline: float) -> None:
        while (now := time.monotonic()) < deadline and not self.is_stopping():
            unanswered = [part_id for part_id in sent if not answers[part_id].done()]
            if not unanswered:
                return
            if not self.workers():
                raise ScoringUnavailable("no scoring worker is running", DOWN_RETRY_S)
            for part_id in unanswered:
                self._send(names.SCORE_TEXTS, [sent[part_id], self._reply_to], part_id, deadline - now)
            round_ends = min(deadline, now + self._settings.resend_s)
            while (left := round_ends - time.monotonic()) > 0 and not self.is_stopping():
                if not wait(answers.values(), min(left, POLL_S)).not_done:
                    return
            metrics.RESENT.inc(sum(not answer.done() for answer in answers.values()))

    def workers(self) -> list[Heartbeat]:
        """The scoring workers that live. Raises ScoringUnavailable when Redis does not answer."""
        try:
            return living(self._redis)
        except RedisError as error:
            raise ScoringUnavailable("Redis does not answer", DOWN_RETRY_S) from error

    def add_job(
        self,
        cut: Sequence[list[str]],
        answers: Sequence[Answer | None],
        *,
        owner: str,
        idempotency_key: str | None,
        request_hash: str,
    ) -> Job:
        """Keep what is unanswered as a job, committed before its message is sent: the reaper replaces a lost one."""
        try:
            with self._database.write() as session:
                job = parts.add_job(
                    session,
                    cut,
                    answers,
                    owner=owner,
                    idempotency_key=idempotency_key,
                    request_hash=request_hash,
                    now=datetime.now(UTC),
                    lease_s=self._settings.lease_s,
                )
        except IntegrityError:  # the same call, sent twice at once: the other one was first
            if not (made := self.made_before(owner, idempotency_key, request_hash)):
                raise
            return made
        self.resume(job)
        return job

    def made_before(self, owner: str, idempotency_key: str | None, request_hash: str) -> Job | None:
        """The job that this very call made when it was first sent. Raises Conflict for another call under its key."""
        if idempotency_key is None:
            return None
        with self._database.read() as session:
            return jobs.by_idempotency_key(session, owner, idempotency_key, request_hash)

    def resume(self, job: Job) -> None:
        """Tell the workers that the job has work. It is in the database, so an unreachable Redis only delays it."""
        try:
            self._send(names.SCORE_JOB, [job.id], job.id)
        except ScoringUnavailable as error:
            log.warning("job %s waits for the reaper: %s", job.id, error)

    def cancel(self, job_id: str) -> Job:
        with self._database.write() as session:
            return jobs.cancel(session, job_id, datetime.now(UTC))

    def retry(self, job_id: str) -> Job:
        with self._database.write() as session:
            job = jobs.retry(session, job_id, datetime.now(UTC), self._settings.lease_s)
        self.resume(job)
        return job

    def reported_state(self, job_id: str) -> str | None:
        """The job's Celery state; None when the result backend does not answer."""
        try:
            return str(self._celery.AsyncResult(job_id).state)
        except (RedisError, OperationalError):
            return None

    def _send(self, task: str, args: list[object], task_id: str, expires_s: float | None = None) -> None:
        """Texts are left out of what Flower and the event stream see. Raises ScoringUnavailable."""
        shown = f"[{len(args[0])} messages]" if isinstance(args[0], list) else repr(args)
        try:
            self._celery.send_task(
                task,
                args=args,
                task_id=task_id,
                expires=expires_s,
                argsrepr=shown,
                ignore_result=True,  # or this process would subscribe to the result
                retry_policy=PUBLISH_RETRIES,
            )
        except (OperationalError, RedisError) as error:
            raise ScoringUnavailable("Redis does not take messages", DOWN_RETRY_S) from error

    def _listen(self) -> None:
        with (
            self._lock
        ):  # started by the first request, in the process that serves it and not in the one that forked it
            if self._listener is None:
                self._listener = threading.Thread(target=self._run, name="replies", daemon=True)
                self._listener.start()

    def _run(self) -> None:
        while True:
            try:
                popped = cast("tuple[bytes, bytes] | None", self._redis.blpop([self._reply_to], timeout=5))
            except RedisError as error:
                log.warning("no replies: %s", error)
                time.sleep(POLL_S)  # the server is away; requests that wait are sent again when it is back
            else:
                if popped:
                    self._settle(json.loads(popped[1]))

    def _settle(self, reply: dict[str, object]) -> None:
        answer = self._waiting.pop(str(reply["id"]), None)
        if answer is None:  # a second reply, or nobody waits any more
            return
        if "error" in reply:
            answer.set_exception(ScoringFailed(str(reply["error"])))
        else:
            answer.set_result(Answer(np.array(reply["scores"], np.float32).reshape(-1, 3), str(reply["model"])))
