"""Something of the installation does not do its work: workers, Beat, queues, trainings, the model, the budget."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from overheard.alerts.facts import Failed, MachineFacts, Open, Verdict
from overheard.alerts.finding import Finding
from overheard.alerts.options import Options, Sensitivity

WORKERS: Final = {
    "scoring": ("Nothing is scored: no scoring worker lives", "ml"),
    "housekeeping": ("Feeds are not read: no housekeeping worker lives", "io"),
    "training": ("Nothing is trained: no training worker lives", "train"),
}
"""Kind -> what that means, and what `python -m worker` calls it."""
BEAT, REDIS, POSTS = "beat", "redis", "posts"

MISSING: Final[dict[Sensitivity, timedelta]] = {
    "low": timedelta(minutes=10),
    "medium": timedelta(minutes=3),
    "high": timedelta(minutes=1),
}
STUCK: Final[dict[Sensitivity, timedelta]] = {
    "low": timedelta(minutes=60),
    "medium": timedelta(minutes=15),
    "high": timedelta(minutes=5),
}
SPENT: Final[dict[Sensitivity, float]] = {"low": 0.98, "medium": 0.9, "high": 0.75}


def worker_missing(facts: MachineFacts, options: Options, opened: Open) -> Verdict:
    """A kind of worker, Beat or Redis has not been heard of for a while."""
    patience = MISSING[options.sensitivity]
    if not facts.is_reached:
        found = Finding(
            REDIS,
            "Redis does not answer",
            "Neither workers nor the API can talk to each other: nothing is heard, scored or told.",
            opened.get(REDIS, facts.now),
            "Start it, or look at OVERHEARD_REDIS_URL; `overheard doctor` says more.",
        )
        return Verdict((found,), frozenset({BEAT, *WORKERS}))
    return Verdict((*_missing(facts, patience), *_beat(facts, patience)))


def _missing(facts: MachineFacts, patience: timedelta) -> Iterator[Finding]:
    for kind, since in facts.missing.items():
        if since is not None and facts.now - since >= patience:
            title, name = WORKERS[kind]
            said = f"The last one was heard of {_ago(since, facts.now)}; what came since waits, and is not lost."
            yield Finding(
                kind, title, said, since, f"Start one (`python -m worker {name}`) and read why the last ended."
            )


def _beat(facts: MachineFacts, patience: timedelta) -> Iterator[Finding]:
    if facts.beat_at is not None and facts.now - facts.beat_at >= patience:
        yield Finding(
            BEAT,
            "Beat is silent",
            f"Beat last sent something {_ago(facts.beat_at, facts.now)}: no feed is read, no hour counted, no brand "
            "watched, nothing trained.",
            facts.beat_at,
            "Start Beat (`python -m worker beat`) and read why it ended.",
            links={"schedules": "/schedules"},
        )


def queue_stuck(facts: MachineFacts, options: Options, opened: Open) -> Verdict:
    """Messages wait in a queue that never gets shorter, or posts wait for their scores."""
    patience = STUCK[options.sensitivity]
    found = []
    for name, queue in facts.queues.items():
        if queue.length and facts.now - queue.since >= patience:
            said = f"{queue.length:,} messages wait, and at no look since {queue.since:%H:%M} UTC were there fewer."
            advice = "Do its workers live and have they enough cores? More of them share the queue."
            found.append(Finding(f"queue:{name}", f"Queue {name} is stuck", said, queue.since, advice))
    if facts.waiting_since is not None and facts.now - facts.waiting_since >= patience:
        said = f"{facts.unscored:,} posts wait for their scores, the oldest since {facts.waiting_since:%H:%M} UTC."
        advice = "Is a scoring worker alive, and fast enough? More of them share the work."
        found.append(Finding(POSTS, "Posts wait for their scores", said, facts.waiting_since, advice))
    unknown = () if facts.is_reached else [key for key in opened if key != POSTS]
    return Verdict(tuple(found), frozenset(unknown))


def training_failed(facts: MachineFacts, options: Options, opened: Open) -> Verdict:
    """A training came to no end; over when a later one succeeds."""
    return Verdict(tuple(map(_failed, facts.failed)))


def _failed(training: Failed) -> Finding:
    return Finding(
        f"training:{training.job_id}",
        f"A training failed: {training.title}",
        f"{training.detail} The model in service stays what it was.",
        training.at,
        "Read the end of its log, mend that, and start another: POST /train/start.",
        links={"job": f"/jobs/{training.job_id}"},
    )


def accuracy_fell(facts: MachineFacts, options: Options, opened: Open) -> Verdict:
    """The newest accuracy check found that a figure has fallen for certain by more than its limit."""
    found = []
    for fall in facts.falls:
        where = "of the newest training" if fall.where == "trainings" else "of the model in service"
        found.append(
            Finding(
                f"accuracy:{fall.where}:{fall.figure}",
                f"The {fall.figure.replace('_', '-')} {where} fell by {100 * fall.fall:.1f} points",
                f"{str(fall)[0].upper()}{str(fall)[1:]}; at least {100 * fall.at_least:.1f} points for certain.",
                fall.newest.at,
                "Compare the two runs; label and audit more of what is heard now, train, or roll back.",
                links={f"best {name}": link for name, link in fall.best.links.items()}
                | {f"newest {name}": link for name, link in fall.newest.links.items()},
            )
        )
    return Verdict(tuple(found))


def budget_spent(facts: MachineFacts, options: Options, opened: Open) -> Verdict:
    """A month's paid reads are nearly used up."""
    found = []
    for source, told in facts.budgets.items():
        if told.budget and told.spent >= SPENT[options.sensitivity] * told.budget:
            said = f"{told.spent:,} of {told.budget:,} reads of this month are used (${told.dollars:,.2f} by its end)."
            found.append(
                Finding(
                    f"budget:{source}:{facts.now:%Y-%m}",
                    f"{told.spent / told.budget:.0%} of this month's reads of {source} are used",
                    f"{said} What the budget leaves out are gaps.",
                    facts.now,
                    f"Raise OVERHEARD_{source.upper()}_MONTHLY_READS, or ask less often.",
                    links={"feeds": "/feeds"},
                )
            )
    return Verdict(tuple(found))


def _ago(since: datetime, now: datetime) -> str:
    seconds = int((now - since).total_seconds())
    return f"{seconds // 60} minutes ago" if seconds < 7200 else f"{seconds // 3600} hours ago"
