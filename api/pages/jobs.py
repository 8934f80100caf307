"""Work that outlives its request: what there is, how it gets on, what went wrong, and who does it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Final, Self, get_args

from flask import g, render_template
from redis import RedisError
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth import requires
from api.pages import judged, told, words
from api.pages.site import asked, blueprint
from api.routes.jobs import JobsQuery
from api.schemas import JobView, Kind, State, encode_cursor
from api.services import Services, services
from overheard.errors import ScoringUnavailable
from overheard.store import jobs as store
from overheard.store.keys import Role
from overheard.store.tables.learning import Model
from overheard.store.tables.work import Batch, Job
from worker import names

AT_ONCE: Final = 20
REJECTS: Final = 50
KINDS: Final[dict[str, str]] = {"score": "Texts", "batch": "File", "training": "Training"}
UNITS: Final[dict[str, str]] = {"score": "text", "batch": "row", "training": "step"}
STATES: Final[dict[str, tuple[str, str]]] = {
    "queued": ("Waits", "calm"),
    "running": ("Runs", "busy"),
    "succeeded": ("Done", "good"),
    "failed": ("Failed", "bad"),
    "cancelled": ("Cancelled", "calm"),
}
"""In words, and the kind of badge."""
QUEUES: Final[dict[str, tuple[str, str]]] = {
    names.SCORING: ("Scoring", "texts that somebody waits for"),
    names.SCORING_BULK: ("Scoring", "files, posts, long requests"),
    names.IO: ("Housekeeping", "listening, counting, alerts"),
    names.TRAINING: ("Training", "trainings"),
}
"""Which workers take what."""


@dataclass(frozen=True)
class Shown:
    """A job as people see it. name: with the file's, if it is one. pace: how far it is, how fast, how long still."""

    view: JobView
    name: str
    owner: str
    pace: str

    @classmethod
    def of(cls, session: Session, job: Job) -> Self:
        (shown,) = cls.all_of(session, [job])
        return shown

    @classmethod
    def all_of(cls, session: Session, found: Collection[Job]) -> list[Self]:
        people = told.people(session, {job.owner for job in found})
        named = select(Batch.job_id, Batch.filename).where(Batch.job_id.in_([job.id for job in found]))
        files = dict(session.execute(named).all())
        return [
            cls(view, _name(job, files.get(job.id)), people[job.owner], _pace(view))
            for job in found
            for view in [JobView.of(job)]
        ]

    @property
    def state(self) -> tuple[str, str]:
        return STATES[self.view.state]

    @property
    def is_over(self) -> bool:
        return self.view.state in store.FINISHED

    @property
    def share(self) -> float:
        """Of 1: how much of it is done."""
        return self.view.progress.done / self.view.progress.total if self.view.progress.total else 0.0


@blueprint.get("/app/jobs")
@requires(Role.viewer)
def jobs() -> str:
    house, query = services(), asked(JobsQuery, limit=AT_ONCE)
    with house.database.read() as session:
        found = store.page(session, query.state, query.kind, query.after, query.limit + 1)
        shown = Shown.all_of(session, found[: query.limit])
        backlog = store.backlog(session)
    last = found[query.limit - 1] if len(found) > query.limit else None
    return render_template(
        "jobs.html",
        query=query,
        shown=shown,
        states=[("", "All"), *((state, STATES[state][0]) for state in get_args(State))],
        kinds=[("", "All"), *((kind, KINDS[kind]) for kind in get_args(Kind))],
        next_cursor=last and encode_cursor(last.created_at, last.id),
        backlog=backlog,
        **_machines(house),
    )


@blueprint.get("/app/jobs/<job_id>")
@requires(Role.viewer)
def job(job_id: str) -> str:
    with services().database.read() as session:
        found = store.get(session, job_id)
        batch = session.get(Batch, job_id)
        return render_template(
            "job.html",
            job=found,
            shown=Shown.of(session, found),
            log=store.log_tail(session, job_id),
            batch=batch,
            stem=PurePath(batch.filename).stem if batch else "",
            most_rejects=REJECTS,
            losses=judged.loss_curve(found.facts) if found.kind == "training" else None,
            made=session.scalar(select(Model).where(Model.job_id == job_id)),
            is_mine=found.owner == g.owner,
        )


def _machines(house: Services) -> dict[str, Any]:
    """What waits for workers, and who of them was heard of."""
    try:
        crew = house.desk.crew.living()
        others = {"Housekeeping": house.desk.crew.housekeepers(), "Training": house.desk.crew.trainers()}
        waiting = {queue: house.redis.llen(queue) for queue in QUEUES}
    except (ScoringUnavailable, RedisError):
        return {"machines": None}
    return {
        "machines": {"Scoring": [beat.worker for beat in crew], **others},
        "crew": crew,
        "queues": [(does, waiting[queue], who) for queue, (who, does) in QUEUES.items()],
        "flower": house.settings.running_stack.get("flower_url"),
    }


def _name(job: Job, filename: str | None) -> str:
    if filename:
        return filename
    return _counted(job.total, job.kind) if job.kind == "score" else KINDS.get(job.kind, job.kind)


def _counted(number: int, kind: str) -> str:
    return f"{words.count(number)} {UNITS.get(kind, 'step')}{'' if number == 1 else 's'}"


def _pace(view: JobView) -> str:
    done, total = view.progress, _counted(view.progress.total, view.kind)
    match view.state:
        case "queued":
            return f"{total}, waits for a worker" if done.total else "waits for a worker"
        case "running":
            parts = [f"{words.count(done.done)} of {total}"] if done.total else [view.stage]
            parts += [f"{words.count(done.rows_per_s)} per second"] if done.rows_per_s else []
            parts += [f"{words.duration(done.eta_s)} left"] if done.eta_s else []
            return ", ".join(parts)
        case "succeeded":
            return f"{total} in {_took(view)}"
        case _:
            return f"{words.count(done.done)} of {total} done" if done.total else "nothing done"


def _took(view: JobView) -> str:
    began = view.started_at or view.created_at
    return words.duration(((view.finished_at or datetime.now(UTC)) - began).total_seconds())
