"""MLflow is told of trainings, models and hourly means by a process of its own: its client costs 2 s and 150 MB.

The database has the truth. What MLflow could not be told while it was away is told when it is back.
"""

import logging
import subprocess
import sys
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from overheard.settings import Settings
from overheard.stack.processes import mark
from overheard.store import hourly, jobs, models
from overheard.store.database import Database
from overheard.store.tables.learning import Model
from overheard.store.tables.work import Job
from overheard.store.trainings import KIND

TIMEOUT_S: Final = 500
PATIENCE: Final = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
"""Its client would else try for four minutes; the next round comes soon enough."""
log = logging.getLogger(__name__)


def mirror(database: Database, settings: Settings) -> None:
    """Bring MLflow up to date, when there is anything new. A failure is logged: the next call tries again."""
    with database.read() as session:
        if not is_behind(session):
            return
    command = [sys.executable, "-m", "overheard.training.mirror"]
    environment = settings.environment(**PATIENCE, **mark(settings.home))
    try:
        run = subprocess.run(  # noqa: S603
            command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        log.warning("MLflow is not up to date: it took longer than %d s", TIMEOUT_S)
        return
    if run.returncode:
        log.warning("MLflow is not up to date: %s", run.stderr.strip().rpartition("\n")[2])


def is_behind(session: Session) -> bool:
    chosen = models.champion(session)
    return bool(
        session.scalar(unmirrored_trainings().limit(1))
        or session.scalar(unmirrored_models().limit(1))
        or (chosen and chosen.mirrored_at is None)
        or hourly.untold(session, datetime.now(UTC))
    )


def unmirrored_trainings() -> Select[Job]:
    """Trainings that have ended after they were begun, oldest first."""
    return (
        select(Job)
        .where(Job.kind == KIND, Job.state.in_(jobs.FINISHED), Job.started_at.is_not(None), Job.mirrored_at.is_(None))
        .order_by(Job.created_at)
    )


def unmirrored_models() -> Select[Model]:
    return select(Model).where(Model.mirrored_at.is_(None)).order_by(Model.created_at)
