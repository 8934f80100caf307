"""The timetable: `/schedules`."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

from flask import Response, g, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, Field, RootModel
from redis import RedisError

from api import timing
from api.auth import requires
from api.runs import run_now
from api.schemas import SECURED, OptionalBody, Problem
from api.services import Services, services
from beat_schedule import TIMETABLE
from overheard.errors import DataError
from overheard.store import schedules
from overheard.store.keys import Role
from overheard.store.tables.timetable import Schedule, Slot
from worker import timetable
from worker.entries import latest, parse

SHOWN_RUNS = 20
PREVIEWED = 5
log = logging.getLogger(__name__)

blueprint = APIBlueprint(
    "schedules",
    __name__,
    url_prefix="/schedules",
    abp_tags=[{"name": "schedules", "description": "What happens by itself, and when"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((401, 403, 404, 409, 415, 422, 503), Problem),
)


class ScheduleView(BaseModel):
    name: str
    does: str
    cron: str | None = Field(description="Five fields, UTC; null: it has `every_s`")
    every_s: float | None
    means: str = Field(description="When it runs, in words")
    is_paused: bool
    last_run_at: datetime | None
    next_run_at: datetime | None = Field(description="null while it is paused, and before Beat was ever started")
    changed_by: str | None = Field(description="The key that changed it; null: it is as it came")
    changed_at: datetime | None


class RunView(BaseModel):
    due_at: datetime
    asked_by: str | None = Field(description="The key that asked for it; null: it was time")
    began_at: datetime
    finished_at: datetime | None
    outcome: dict[str, Any] | None

    @classmethod
    def of(cls, slot: Slot) -> Self:
        return cls(
            due_at=slot.due_at,
            asked_by=slot.asked_by or None,
            began_at=slot.claimed_at,
            finished_at=slot.finished_at,
            outcome=schedules.outcome_of(slot),
        )


class ScheduleDetail(ScheduleView):
    runs: list[RunView] = Field(description="The last ones, newest first; ticks only when somebody asked for them")


class ScheduleList(RootModel[list[ScheduleView]]):
    """As beat_schedule.py lists them."""


class SchedulePath(BaseModel):
    name: str


class ScheduleChange(OptionalBody):
    """What is left out stays."""

    is_paused: bool = False
    cron: str | None = Field(None, max_length=100, description="Five fields, UTC; null: as it came")


class PreviewBody(BaseModel):
    cron: str = Field(max_length=100, description="Five fields, UTC", examples=["7 2 * * sun"])


class PreviewView(BaseModel):
    cron: str
    means: str
    next_runs: list[datetime]


class BegunView(BaseModel):
    name: str
    due_at: datetime
    job_id: str | None = Field(description="Of the training that this is, if it is one")


@blueprint.get("", summary="All entries", responses={200: ScheduleList})
@requires(Role.viewer)
def list_schedules() -> Response:
    return jsonify([shown.model_dump(mode="json") for shown in views(services())])


@blueprint.post("/previews", summary="When would a cron run?", responses={200: PreviewView})
@requires(Role.viewer)
def preview(body: PreviewBody) -> Response:
    """Changes nothing. 422 for one that can't be used."""
    cron = " ".join(body.cron.split())
    shown = PreviewView(
        cron=cron, means=timing.means(cron), next_runs=timing.upcoming(cron, datetime.now(UTC), PREVIEWED)
    )
    return jsonify(shown.model_dump(mode="json"))


@blueprint.get("/<name>", summary="One entry and its last runs", responses={200: ScheduleDetail})
@requires(Role.viewer)
def show(path: SchedulePath) -> Response:
    with services().database.read() as session:
        runs = schedules.runs(session, path.name, SHOWN_RUNS)
    detail = ScheduleDetail(**view(services(), path.name).model_dump(), runs=[RunView.of(slot) for slot in runs])
    return jsonify(detail.model_dump(mode="json"))


@blueprint.patch("/<name>", summary="Pause, resume, or change when it runs", responses={200: ScheduleView})
@requires(Role.operator)
def change(path: SchedulePath, body: ScheduleChange) -> Response:
    changed = change_schedule(services(), path.name, g.owner, body.model_dump(exclude_unset=True))
    return jsonify(changed.model_dump(mode="json"))


@blueprint.post("/<name>/runs", summary="Run it now, also while it is paused", responses={202: BegunView})
@requires(Role.operator)
def run(path: SchedulePath) -> tuple[Response, int]:
    begun = run_now(services(), path.name, g.owner)
    shown = BegunView(name=begun.name, due_at=begun.due_at, job_id=begun.job_id)
    return jsonify(shown.model_dump(mode="json")), 202


def views(house: Services) -> list[ScheduleView]:
    """Raises RedisError."""
    with house.database.read() as session:
        changes, last_runs = schedules.changes(session), schedules.last_runs(session)
    return [_view(name, changes.get(name), last_runs) for name in TIMETABLE]


def view(house: Services, name: str) -> ScheduleView:
    """Raises NotFound, RedisError."""
    timetable.named(name)
    return next(shown for shown in views(house) if shown.name == name)


def change_schedule(house: Services, name: str, changed_by: str, asked: Mapping[str, Any]) -> ScheduleView:
    """asked: `is_paused`, `cron` or both. Raises NotFound, RedisError; DataError for a cron that can't be used."""
    timetable.named(name)
    now, values = datetime.now(UTC), dict(asked)
    if not values:
        raise DataError("say `is_paused`, `cron` or both")
    if (cron := values.get("cron")) is not None:
        latest(parse(cron), now)
        values["cron"] = " ".join(cron.split())
    with house.database.write() as session:
        changed = schedules.change(session, name, changed_by, now, **values)
    try:
        timetable.apply(name, changed, now)
    except RedisError as error:
        log.warning("Beat will see by itself what was changed of %s: %s", name, error)
    return view(house, name)


def _view(name: str, change: Schedule | None, last_runs: Mapping[str, datetime]) -> ScheduleView:
    entry, when = timetable.named(name), timetable.when(name, change)
    times = timetable.times(name, datetime.now(UTC))
    is_changed = change is not None and change.changed_by != schedules.NOBODY
    return ScheduleView(
        name=name,
        does=entry.does,
        cron=when if isinstance(when, str) else None,
        every_s=None if isinstance(when, str) else when,
        means=timing.means(when),
        is_paused=change is not None and change.is_paused,
        last_run_at=times.last_run_at if entry.is_tick else last_runs.get(name),
        next_run_at=times.next_run_at,
        changed_by=change.changed_by if change and is_changed else None,
        changed_at=change.changed_at if change and is_changed else None,
    )
