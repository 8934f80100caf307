"""What became of all that was accepted: every thing is finished or said to have failed, once."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx2
from sqlalchemy import func, select

from bench.chaos.house import House, eventually
from bench.chaos.ledger import Ledger
from bench.chaos.load import LABELS
from overheard.store import jobs
from overheard.store.tables.counts import DirtyHour, Hour, Quarter
from overheard.store.tables.heard import Brand, Mention, Post, Score, Unscored
from overheard.store.tables.learning import Label, Model
from overheard.store.tables.work import Job
from worker import names

SETTLE_S = 150
PATIENCE_S = 600


@dataclass
class Fate:
    """Of one kind of thing. lost: accepted and not there, or with another's answer; doubled: there more than once."""

    accepted: int = 0
    finished: int = 0
    failed: int = 0
    lost: int = 0
    doubled: int = 0
    notes: list[str] = field(default_factory=list)


def settle(house: House, ledger: Ledger, brand: str) -> bool:
    """Wait until nothing is under way any more; whether that came."""
    ids = [job_id for kind in ("jobs", "batches") for job_id, _ in ledger.accepted[kind].values()]
    ids += ledger.accepted["trainings"].values()

    def is_done() -> bool:
        try:
            return house.is_well() and not any(left(house, ids, brand).values())
        except Exception:  # the stack is not back yet
            return False

    return eventually(is_done, SETTLE_S, 0.5)


def left(house: House, ids: list[str], brand: str) -> dict[str, int]:
    """What is still under way."""
    with house.database.read() as session:
        mine = session.scalar(select(Brand.id).where(Brand.name == brand))
        unfinished = select(func.count()).select_from(Job).where(Job.id.in_(ids), Job.state.in_(jobs.UNFINISHED))
        waiting = select(func.count()).select_from(Unscored).join(Mention, Mention.post_id == Unscored.post_id)
        dirty = select(func.count()).select_from(DirtyHour).where(DirtyHour.brand_id == mine)
        found = {
            "jobs": session.scalar(unfinished) or 0,
            "unscored posts": session.scalar(waiting.where(Mention.brand_id == mine)) or 0,
            "uncounted hours": session.scalar(dirty) or 0,
        }
    with house.redis() as redis:
        training = [names.TRAINING] if "train" in house.programs() else []
        for queue in (names.SCORING, names.SCORING_BULK, *training):
            found[f"messages on {queue}"] = int(redis.llen(queue))  # type: ignore[arg-type]
        found["messages held by ml"] = int(redis.hlen("unacked.ml"))  # type: ignore[arg-type]
    return found


def audit(house: House, ledger: Ledger, brand: str) -> dict[str, Fate]:
    """By kind of thing."""
    with house.door(brand).client(PATIENCE_S) as client:
        return {
            "calls": _calls(ledger),
            "jobs": _scored(client, ledger, "jobs", house),
            "batches": _scored(client, ledger, "batches", house),
            "posts": _posts(house, ledger, brand),
            "labels": _labels(house, ledger),
            "trainings": _trainings(house, ledger),
        }


def _calls(ledger: Ledger) -> Fate:
    accepted, wrong = len(ledger.accepted["calls"]), ledger.wrong["calls"]
    return Fate(accepted, finished=accepted - wrong, lost=wrong)


def _scored(client: httpx2.Client, ledger: Ledger, kind: str, house: House) -> Fate:
    """Each job has ended, with the scores of its own texts in their order, or with the reason why not."""
    fate, known = Fate(len(ledger.accepted[kind])), house.known
    for name, (job_id, picked) in ledger.accepted[kind].items():
        job = client.get(f"/jobs/{job_id}").json()
        state = job.get("state")
        rows = _rows(client, kind, job_id) if state == "succeeded" else []
        if state == "failed":
            fate.failed += 1
            fate.notes.append(f"{kind}: {job['error']['title']}: {job['error']['detail']}")
        elif len(rows) > len(picked):
            fate.doubled += 1
            fate.notes.append(f"{name}: {len(rows)} rows instead of {len(picked)}")
        elif state == "succeeded" and known.says(picked, rows):
            fate.finished += 1
        else:
            fate.lost += 1
            fate.notes.append(f"{name} ({job_id}): {state or job}, {len(rows)} of {len(picked)} rows")
    with house.database.read() as session:
        made = select(Job.idempotency_key).where(Job.idempotency_key.in_(list(ledger.accepted[kind])))
        fate.doubled += _surplus(session.scalars(made))
    return fate


def _rows(client: httpx2.Client, kind: str, job_id: str) -> list[list[float]]:
    if kind == "jobs":
        return [[row[label] for label in LABELS] for row in client.get(f"/jobs/{job_id}/result").json()]
    table = list(csv.DictReader(io.StringIO(client.get(f"/batches/{job_id}/results").text)))
    in_order = [int(row["number"]) for row in table] == list(range(len(table)))
    return [[float(row[label]) for label in LABELS] for row in table] if in_order else []


def _posts(house: House, ledger: Ledger, brand: str) -> Fate:
    """Each post is there once, has one score, and is counted once."""
    accepted, fate = ledger.accepted["posts"], Fate(len(ledger.accepted["posts"]))
    with house.database.read() as session:
        mine = select(Mention.post_id).join(Brand, Brand.id == Mention.brand_id).where(Brand.name == brand)
        rows = session.execute(select(Post.id, Post.external_id).where(Post.id.in_(mine))).all()
        there = Counter(external_id.partition("/")[2] for _, external_id in rows)
        scored = Counter(session.scalars(select(Score.post_id).where(Score.post_id.in_(mine))))
        counted, summed_up = (
            session.scalar(select(func.sum(table.posts)).join(Brand).where(Brand.name == brand)) or 0
            for table in (Hour, Quarter)
        )
    bare = [external_id for row_id, external_id in rows if not scored[row_id]]
    fate.finished = sum(1 for name in accepted if there[name]) - len(bare)
    fate.lost = sum(1 for name in accepted if not there[name]) + len(bare) + max(0, len(rows) - min(counted, summed_up))
    unasked = [name for name in there if name not in ledger.sent["posts"]]
    fate.doubled = _surplus(there.elements()) + _surplus(scored.elements()) + len(unasked)
    fate.doubled += max(0, max(counted, summed_up) - len(rows))
    if fate.lost or fate.doubled:
        counts = f"{counted} counted, {summed_up} summed up"
        fate.notes.append(f"posts: {len(rows)} rows, {len(bare)} without a score, {counts}, {unasked[:3]}")
    return fate


def _labels(house: House, ledger: Ledger) -> Fate:
    accepted = ledger.accepted["labels"]
    with house.database.read() as session:
        rows = session.execute(select(Label.text, Label.label).where(Label.text.in_(list(accepted)))).all()
    there, said = Counter(text for text, _ in rows), {text: LABELS[label] for text, label in rows}
    right = sum(1 for text, label in accepted.items() if said.get(text) == label)
    return Fate(len(accepted), finished=right, lost=len(accepted) - right, doubled=_surplus(there.elements()))


def _trainings(house: House, ledger: Ledger) -> Fate:
    """Each has ended and made one model, or says why not."""
    accepted, fate = ledger.accepted["trainings"], Fate(len(ledger.accepted["trainings"]))
    with house.database.read() as session:
        for job_id in accepted.values():
            job = session.get(Job, job_id)
            made = session.scalar(select(func.count()).select_from(Model).where(Model.job_id == job_id)) or 0
            if job is not None and job.state == "failed" and job.error:
                fate.failed += 1
                fate.notes.append(f"training: {job.error['title']}: {job.error['detail']}")
            elif job is not None and job.state == "succeeded" and made:
                fate.finished += 1
            else:
                fate.lost += 1
                fate.notes.append(f"training {job_id}: {job and (job.state, job.stage)}, {made} models")
            fate.doubled += max(0, made - 1)
    return fate


def _surplus(things: Iterable[Any]) -> int:
    return sum(count - 1 for count in Counter(things).values())
