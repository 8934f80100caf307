"""The part of Airflow 2's REST API that scripts start and pause our work by: `/api/v1/dags`."""

from datetime import datetime, timedelta
from typing import Any, Final

from flask import Response, g, jsonify
from flask_openapi import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field

from api.auth import requires
from api.errors import problem
from api.routes.schedules import ScheduleView, change_schedule, view
from api.runs import run_now
from api.schemas import SECURED, OptionalBody, Problem
from api.services import services
from overheard.store.keys import Role

DAGS: Final = {
    "model_perf_tracker": "accuracy-check",
    "sentiment_inspector": "inspect-feeds",
    "sentiment_trainer": "weekly-retrain",
}

blueprint = APIBlueprint(
    "airflow",
    __name__,
    url_prefix="/api/v1/dags",
    abp_tags=[{"name": "airflow", "description": "The timetable as Airflow 2 would show it, for scripts made for it"}],
    abp_security=SECURED,
    abp_responses=dict.fromkeys((400, 401, 403, 404, 409, 422, 503), Problem),
)


class DagPath(BaseModel):
    dag_id: str


class MaskQuery(BaseModel):
    update_mask: list[str] = Field(["is_paused"], description="`is_paused` is all that can be changed")


class DagPatch(BaseModel):
    model_config = ConfigDict(extra="ignore")

    is_paused: bool


class NewDagRun(OptionalBody):
    """What Airflow takes. It is told back; nothing here depends on it."""

    model_config = ConfigDict(extra="ignore")

    dag_run_id: str | None = Field(None, max_length=250)
    logical_date: datetime | None = None
    execution_date: datetime | None = Field(None, description="The older name of logical_date")
    conf: dict[str, Any] = Field(default_factory=dict)
    note: str | None = None


class DagRun(BaseModel):
    dag_run_id: str
    dag_id: str
    logical_date: datetime
    execution_date: datetime
    data_interval_start: datetime
    data_interval_end: datetime
    start_date: datetime | None = None
    end_date: datetime | None = None
    last_scheduling_decision: datetime | None = None
    run_type: str = "manual"
    state: str = "queued"
    external_trigger: bool = True
    conf: dict[str, Any]
    note: str | None


class Dag(BaseModel):
    dag_id: str
    dag_display_name: str
    description: str
    is_active: bool = True
    is_paused: bool
    is_subdag: bool = False
    root_dag_id: str | None = None
    has_import_errors: bool = False
    max_active_runs: int = 1
    owners: list[str] = ["overheard"]
    tags: list[dict[str, str]] = []
    fileloc: str = "beat_schedule.py"
    schedule_interval: dict[str, Any]
    timetable_description: str
    next_dagrun: datetime | None
    next_dagrun_create_after: datetime | None


class DagList(BaseModel):
    dags: list[Dag]
    total_entries: int


@blueprint.get("", summary="All DAGs", responses={200: DagList})
@requires(Role.viewer)
def list_dags() -> Response:
    dags = [_dag(dag_id, view(services(), name)) for dag_id, name in DAGS.items()]
    return jsonify(DagList(dags=dags, total_entries=len(dags)).model_dump(mode="json"))


@blueprint.get("/<dag_id>", summary="One DAG", responses={200: Dag})
@requires(Role.viewer)
def show_dag(path: DagPath) -> Response:
    if path.dag_id not in DAGS:
        return _unknown(path.dag_id)
    return jsonify(_dag(path.dag_id, view(services(), DAGS[path.dag_id])).model_dump(mode="json"))


@blueprint.patch("/<dag_id>", summary="Pause or resume", responses={200: Dag})
@requires(Role.operator)
def patch_dag(path: DagPath, query: MaskQuery, body: DagPatch) -> Response:
    if path.dag_id not in DAGS:
        return _unknown(path.dag_id)
    if query.update_mask != ["is_paused"]:
        return problem(400, "Only `is_paused` field can be updated through the REST API")
    changed = change_schedule(services(), DAGS[path.dag_id], g.owner, {"is_paused": body.is_paused})
    return jsonify(_dag(path.dag_id, changed).model_dump(mode="json"))


@blueprint.post("/<dag_id>/dagRuns", summary="Run it now; 409 while it runs", responses={200: DagRun})
@requires(Role.operator)
def run_dag(path: DagPath, body: NewDagRun) -> Response:
    if path.dag_id not in DAGS:
        return _unknown(path.dag_id)
    begun = run_now(services(), DAGS[path.dag_id], g.owner)
    logical = body.logical_date or body.execution_date or begun.due_at
    run = DagRun(
        dag_run_id=body.dag_run_id or f"manual__{logical.isoformat()}",
        dag_id=path.dag_id,
        logical_date=logical,
        execution_date=logical,
        data_interval_start=logical,
        data_interval_end=logical,
        conf=body.conf,
        note=body.note,
    )
    return jsonify(run.model_dump(mode="json"))


def _unknown(dag_id: str) -> Response:
    return problem(404, f"DAG with dag_id: '{dag_id}' not found", title="DAG not found")


def _dag(dag_id: str, shown: ScheduleView) -> Dag:
    if shown.cron:
        interval: dict[str, Any] = {"__type": "CronExpression", "value": shown.cron}
        described = f"At {shown.cron} (UTC)"
    else:
        every = timedelta(seconds=shown.every_s or 0)
        interval = {"__type": "TimeDelta", "days": every.days, "seconds": every.seconds, "microseconds": 0}
        described = f"Every {shown.every_s:g} s"
    return Dag(
        dag_id=dag_id,
        dag_display_name=dag_id,
        description=f"{shown.name}: {shown.does}",
        is_paused=shown.is_paused,
        schedule_interval=interval,
        timetable_description=described,
        next_dagrun=shown.next_run_at,
        next_dagrun_create_after=shown.next_run_at,
    )
