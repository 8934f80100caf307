"""Everything that the API sends to workers, and the answers that it waits for: the only file that sends messages."""

import base64
import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import wait
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import numpy as np
from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis, RedisError
from sqlalchemy.exc import IntegrityError

from api import metrics
from api.outbox import Outbox, Piece
from api.workers import DOWN_RETRY_S, Crew
from overheard.errors import ScoringFailed, ScoringUnavailable, TrainingRuns
from overheard.scoring.lanes import Lane
from overheard.settings import Settings
from overheard.store import jobs, parts, trainings
from overheard.store.database import Database
from overheard.store.parts import Answer
from overheard.store.tables.work import Job
from worker import names
from worker.entries import Run

PUBLISH_RETRIES = {"max_retries": 3, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.5}
POLL_S = 0.5  # how soon a waiting request notices that the server is stopping
INTERACTIVE_TEXTS = 64  # a request with more is bulk work: it takes its time anyway, and others need not wait for it
log = logging.getLogger(__name__)


class Desk:
    """Takes texts to the scoring workers. One per API process.

    Waiting requests get their answers by a reply list that one thread reads; work that outlives its request is a job
    in the database. Scoring is pure, so a piece that stays unanswered is simply sent again and the first reply wins.
    """

    def __init__(self, celery: Celery, database: Database, redis: Redis, settings: Settings) -> None:
        self._celery, self._database, self._redis, self._settings = celery, database, redis, settings
        self.crew = Crew(redis)
        self._reply_to = names.replies(uuid4().hex)
        self._waiting: dict[str, Piece] = {}
        self._outbox = Outbox(self._send_pieces, self.crew.count)
        self._waiters = threading.BoundedSemaphore(settings.max_waiters)
        self._listener: threading.Thread | None = None
        self._lock = threading.Lock()
        self.is_stopping: Callable[[], bool] = lambda: False

    def score(self, cut: Sequence[list[str]], wait_s: float) -> list[Answer | None]:
        """One answer per part; None for those that were not there after `wait_s`, or when the server is stopping.

        Raises ScoringUnavailable when too many wait or no worker lives, ScoringFailed when a worker refused a part.
        """
        if not self._waiters.acquire(blocking=False):
            raise ScoringUnavailable(f"{self._settings.max_waiters} requests are waiting already", self._retry_after())
        deadline = time.monotonic() + wait_s
        pieces = [Piece(texts, deadline) for texts in cut]
        try:
            metrics.WAITING.inc()
            self._waiting.update((piece.id, piece) for piece in pieces)
            self._listen()
            self._await(pieces, deadline)
            return [piece.answer.result() if piece.answer.done() else None for piece in pieces]
        finally:
            for piece in pieces:
                self._waiting.pop(piece.id, None)
                piece.answer.cancel()  # what was not sent need not be
            metrics.WAITING.dec()
            self._waiters.release()

    def _await(self, pieces: list[Piece], deadline: float) -> None:
        is_small = len(pieces) == 1 and len(pieces[0].texts) <= INTERACTIVE_TEXTS
        lane = Lane.interactive if is_small else Lane.bulk
        answers = [piece.answer for piece in pieces]
        self._check_crew()
        self._outbox.add(lane, pieces)
        while (left := deadline - time.monotonic()) > 0 and not self.is_stopping():
            if not wait(answers, min(left, POLL_S)).not_done:
                return
            overdue = [piece for piece in pieces if self._is_overdue(piece)]
            if overdue:
                self._check_crew()
                metrics.RESENT.inc(len(overdue))
                self._outbox.add(lane, overdue)
            self._outbox.push_on(lane)

    def _is_overdue(self, piece: Piece) -> bool:
        is_sent = piece.sent_at is not None and not piece.answer.done()
        return is_sent and time.monotonic() - (piece.sent_at or 0) > self._settings.resend_s

    def _check_crew(self) -> None:
        if not self.crew.count():
            raise ScoringUnavailable("no scoring worker is running", DOWN_RETRY_S)

    def check_room(self) -> None:
        """Raises ScoringUnavailable when as many messages are queued in jobs as may be."""
        with self._database.read() as session:
            queued = jobs.backlog(session)
        if (excess := queued - self._settings.max_queued_messages) >= 0:
            raise ScoringUnavailable(f"{queued:,} messages are queued already", self.crew.seconds_for(excess + 1))

    def _retry_after(self) -> int:
        """When about those that wait now will have their answers."""
        return self.crew.seconds_for(sum(len(piece.texts) for piece in list(self._waiting.values())))

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
            self._send(names.JOBS[job.kind], [job.id], job.id)
        except ScoringUnavailable as error:
            log.warning("job %s waits for the reaper: %s", job.id, error)

    def cancel(self, job_id: str) -> Job:
        with self._database.write() as session:
            return jobs.cancel(session, job_id, datetime.now(UTC))

    def retry(self, job_id: str) -> Job:
        """Raises NotFound, Conflict; TrainingRuns when it is a training and there is another."""
        try:
            with self._database.write() as session:
                job = jobs.retry(session, job_id, datetime.now(UTC), self._settings.lease_s)
        except IntegrityError:
            raise TrainingRuns(self.unfinished_training() or "") from None
        self.resume(job)
        return job

    def start_training(self, options: dict[str, Any], owner: str, idempotency_key: str | None) -> Job:
        """Raises TrainingRuns when one is unfinished; ScoringUnavailable when no training worker lives."""
        request_hash = hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()
        if made := self.made_before(owner, idempotency_key, request_hash):
            return made
        if running := self.unfinished_training():
            raise TrainingRuns(running)
        self.check_trainers()
        job = trainings.start(
            self._database,
            options,
            owner=owner,
            idempotency_key=idempotency_key,
            request_hash=request_hash,
            now=datetime.now(UTC),
            lease_s=self._settings.lease_s,
        )
        self.resume(job)
        return job

    def check_trainers(self) -> None:
        """Raises ScoringUnavailable when no training worker lives."""
        if not self.crew.trainers():
            advice = (
                "start one with `python -m worker train`; where torch is left out (TRAIN=0), run `make run` without it"
            )
            raise ScoringUnavailable(f"no training worker is running: {advice}", DOWN_RETRY_S)

    def unfinished_training(self) -> str | None:
        with self._database.read() as session:
            running = trainings.unfinished(session)
            return running.id if running else None

    def model_changed(self) -> None:
        """Have MLflow and the Hub told, and recent posts read by it. What is not sent now, Beat sends later."""
        for task in (names.MIRROR, names.PUBLISH, names.SCORE_OVERLAP):
            try:
                self._send(task, [], str(uuid4()))
            except ScoringUnavailable as error:
                log.warning("%s waits for Beat: %s", task, error)

    def posts_kept(self) -> None:
        """Have them scored. What is not sent now, the sweep finds later."""
        try:
            self._send(names.SCORE_POSTS, [], str(uuid4()))
        except ScoringUnavailable as error:
            log.warning("new posts wait for the sweep: %s", error)

    def try_feed(self, source: str, about: Mapping[str, Sequence[str]], wait_s: float) -> dict[str, Any]:
        """What `overheard.trials` found, done by a worker: platforms are asked there alone.

        Raises ScoringUnavailable when too many wait, or nobody answered within `wait_s`.
        """
        reply_to, deadline = names.tried(uuid4().hex), time.monotonic() + wait_s
        if not self._waiters.acquire(blocking=False):
            raise ScoringUnavailable(f"{self._settings.max_waiters} requests are waiting already", DOWN_RETRY_S)
        try:
            self._send(names.TRY_FEED, [source, about, reply_to], str(uuid4()), wait_s)
            while time.monotonic() < deadline and not self.is_stopping():
                popped = cast("tuple[bytes, bytes] | None", self._redis.blpop([reply_to], timeout=1))
                if popped:
                    return dict(json.loads(popped[1]))
        finally:
            self._waiters.release()
        reason = f"nobody tried the feed within {wait_s:.0f} s: is a housekeeping worker (`io`) running?"
        raise ScoringUnavailable(reason, DOWN_RETRY_S)

    def deliver(self) -> None:
        """Have notices that are due sent. What is not asked for now, Beat asks for later."""
        try:
            self._send(names.DELIVER, [], str(uuid4()))
        except ScoringUnavailable as error:
            log.warning("notices wait for Beat: %s", error)

    def send_run(self, task: str, run: Run) -> None:
        """A scheduled task, now. Raises ScoringUnavailable when Redis does not take it."""
        self._send(task, [], str(uuid4()), headers=run.headers())

    def reported_state(self, job_id: str) -> str | None:
        """The job's Celery state; None when the result backend does not answer."""
        try:
            return str(self._celery.AsyncResult(job_id).state)
        except (RedisError, OperationalError):
            return None

    def _send_pieces(self, message_id: str, lane: Lane, pieces: Sequence[Piece]) -> None:
        texts = [text for piece in pieces for text in piece.texts]
        sizes = [[piece.id, len(piece.texts)] for piece in pieces]
        left_s = max(piece.deadline for piece in pieces) - time.monotonic()
        self._send(names.SCORE_TEXTS, [texts, sizes, lane, self._reply_to], message_id, left_s)
        metrics.SENT.inc()

    def _send(
        self,
        task: str,
        args: list[object],
        task_id: str,
        expires_s: float | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Texts are left out of what Flower and the event stream see. Raises ScoringUnavailable."""
        shown = f"[{len(args[0])} messages]" if args and isinstance(args[0], list) else repr(args)
        try:
            self._celery.send_task(
                task,
                args=args,
                task_id=task_id,
                expires=expires_s,
                headers=headers,
                argsrepr=shown,
                ignore_result=True,  # or this process would subscribe to the result
                retry_policy=PUBLISH_RETRIES,
            )
        except (OperationalError, RedisError, AttributeError) as error:
            # kombu takes the connection from a channel when it is lost: whoever uses it just then meets None
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
                    self._hear(popped[1])

    def _hear(self, said: bytes) -> None:
        """A reply that can't be read is nobody's: its pieces are sent again. The thread goes on, for all the others."""
        try:
            self._settle(json.loads(said))
        except Exception:
            log.exception("a reply of %d bytes can't be read", len(said))

    def _settle(self, reply: dict[str, Any]) -> None:
        self._outbox.arrived(reply["id"])  # the next message first: the workers wait for it
        for piece_id, scores, error in reply["answers"]:
            piece = self._waiting.pop(piece_id, None)
            if piece is None or not piece.answer.set_running_or_notify_cancel():
                continue  # a second reply, or nobody waits any more
            if error is None:
                found = np.frombuffer(base64.b64decode(scores), "<f4").reshape(-1, 3)
                piece.answer.set_result(Answer(found, reply["model"]))
            else:
                piece.answer.set_exception(ScoringFailed(error))
