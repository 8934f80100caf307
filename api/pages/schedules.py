"""What happens by itself: when, how it went last, and what is to be changed of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import g, render_template, request
from sqlalchemy.orm import Session

from api.auth import requires
from api.pages import words
from api.pages.site import blueprint
from api.routes.schedules import RunView, ScheduleView, views
from api.services import services
from beat_schedule import TIMETABLE
from overheard.store import keys
from overheard.store import schedules as kept
from overheard.store.keys import Role
from worker import timetable

RUNS = 5
PLAINLY = {
    "brands": "brands",
    "draws": "samples drawn",
    "falls": "falls found",
    "figures": "figures",
    "jobs": "jobs",
    "labels": "labels",
    "model": "model",
    "n": "labels counted",
    "notices": "people told",
    "posts": "posts",
    "slots": "old runs",
    "started": "started",
}


@dataclass(frozen=True)
class Told:
    """An entry as the page shows it. runs: the last ones, newest first; changed_by: its name."""

    entry: ScheduleView
    is_tick: bool
    runs: Sequence[RunView]
    changed_by: str

    @property
    def name(self) -> str:
        return words.capitalize_first(self.entry.name.replace("-", " "))

    @property
    def is_running(self) -> bool:
        return bool(self.runs) and self.runs[0].finished_at is None


@blueprint.get("/app/schedules")
@requires(Role.viewer)
def schedules() -> str:
    house = services()
    entries = views(house)
    with house.database.read() as session:
        shown = [_told(session, entry, keys.names(session, {entry.changed_by or ""})) for entry in entries]
    wanted = request.args.get("change")
    return render_template(
        "schedules.html",
        parts=[
            ("By the calendar", "Each of its times is done once; what was missed is made up for", _only(shown, False)),
            ("All the time", "Light work: a run that is left out is replaced by the next", _only(shown, True)),
        ],
        is_led=timetable.is_led(),
        outcome=outcome,
        is_failure=is_failure,
        form=next((one for one in shown if one.entry.name == wanted), None) if g.role >= Role.operator else None,
    )


def _only(shown: Sequence[Told], ticks: bool) -> list[Told]:
    return [one for one in shown if one.is_tick == ticks]


def _told(session: Session, entry: ScheduleView, names: Mapping[str, str]) -> Told:
    runs = [RunView.of(slot) for slot in kept.runs(session, entry.name, RUNS)]
    by = entry.changed_by or ""
    return Told(entry, TIMETABLE[entry.name].is_tick, runs, names.get(by, by))


def is_failure(run: RunView) -> bool:
    return bool(run.outcome and "error" in run.outcome)


def outcome(run: RunView) -> str:
    """What came of a run, in a line."""
    told = run.outcome
    if told is None:
        return "under way"
    for name in ("error", "problem", "why"):
        if told.get(name):
            return words.capitalize_first(str(told[name]))
    if told.get("job_id"):
        return "A training was started"
    facts = [fact for name, value in told.items() if (fact := _fact(name, value))]
    return words.capitalize_first(", ".join(facts)) or "Done"


def _fact(name: str, value: Any) -> str:
    """Numbers, names and how many there are of a list; the rest is for programs."""
    plain = PLAINLY.get(name)
    if name in ("accuracy", "macro_recall") and isinstance(value, Mapping):
        return f"{name.replace('_', '-')} {words.percent(value['value'])}" if "value" in value else ""
    if plain is None or isinstance(value, Mapping):
        return ""
    if isinstance(value, list):
        return f"{plain} {', '.join(map(str, value))}" if value and name == "started" else f"{len(value)} {plain}"
    return f"{words.count(value)} {plain}" if isinstance(value, int | float) else f"{plain} {value}"
