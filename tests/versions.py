"""Trainings as they leave the database: real verdicts on simulated answers."""

from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from overheard.scoring.bundle import load_manifest
from overheard.store import models
from overheard.store.database import Database
from overheard.store.tables.work import Job
from overheard.training.gate import Exam, Judged, Thresholds, decide

STARTER = load_manifest(Path(str(files("overheard"))) / "starter")
ROWS = 900
"""On which both models are judged; every third is a fresh label."""


def add_starter(database: Database, now: datetime) -> str:
    """The first model makes itself known, as scoring workers have it do."""
    with database.write() as session:
        return models.register(session, STARTER, now, location="starter").version


def add_training(
    database: Database, version: str, champion: str, skills: tuple[float, float], labels: int, at: datetime
) -> dict[str, Any]:
    """A training that ended then, and its version, which serves if it is proved better. Returns the verdict.

    skills: of champion and challenger; 1 is right on half of the rows, 2 on four in five.
    """
    truth = np.random.default_rng(1).integers(0, 3, ROWS)
    is_fresh = np.arange(ROWS) % 3 == 0
    exam = Exam(truth, is_fresh, np.where(is_fresh, "x", "base"), np.where(is_fresh, "Acme", ""))
    old, new = (
        Judged(name, _answers(truth, skill), 1.0) for name, skill in zip((champion, version), skills, strict=True)
    )
    verdict = decide(exam, old, new, Thresholds(), leaked_rows=0, allow_slower=False).as_dict()
    history = [{"step": step, "loss": 1 / step, "macro_recall": None, "epoch": step / 10} for step in range(1, 21)]
    facts = {
        "snapshot": {"base_data": "tweets", "fresh": {"train": labels}},
        "params": {"is_refresh": True, "rows": labels},
        "training": {"steps": 20, "seconds": 90.0},
        "history": history,
        "model": version,
    }
    job_id, ended = f"job-of-{version}", at + timedelta(minutes=2)
    told = {"state": "succeeded", "stage": "succeeded", "done": 20, "total": 20, "facts": facts}
    times = {"created_at": at, "started_at": at, "finished_at": ended, "lease_until": at}
    manifest = STARTER.model_copy(update={"version": version, "name": f"overheard-{at:%Y-%m-%d}", "metrics": {}})
    with database.write() as session:
        session.add(Job(id=job_id, kind="training", owner="beat", request_hash="", **told, **times))
        models.register(session, manifest, ended, job_id=job_id, facts=facts, verdict=verdict)
        if verdict["promoted"]:
            models.promote(session, version, "starter", f"training {job_id}", verdict["reasons"][0], ended)
    return verdict


def _answers(truth: np.ndarray[Any, Any], skill: float) -> np.ndarray[Any, Any]:
    logits = np.random.default_rng(2).normal(0, 1, (len(truth), 3))
    logits[np.arange(len(truth)), truth] += skill
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
