"""Listening: feeds that are due, one feed's news, hours counted anew, posts that were missed or are too old."""

import threading
from datetime import UTC, datetime

from overheard import deletions, retention, sources, trials
from overheard.listening import Listener
from overheard.store import hours, inspections, unscored
from worker import context, names, replies
from worker.app import app
from worker.slots import Outcome, once_a_slot

_counting = threading.Lock()


@app.task(name=names.INSPECT)
def inspect() -> None:
    with context.get().database.write() as session:
        due = inspections.due(session, datetime.now(UTC))
    for feed_id in due:
        app.send_task(names.COLLECT, args=[feed_id])


@app.task(name=names.COLLECT)
def collect(feed_id: int) -> None:
    house = context.get()
    Listener(house.database, house.settings, context.privacy(), heard=_score).inspect(feed_id)


@app.task(name=names.TRY_FEED)
def try_feed(source: str, about: dict[str, list[str]], reply_to: str) -> None:
    house = context.get()
    said, topic = sources.parse(source), trials.topic_of(about)
    found = trials.run(house.database, house.settings, said, topic, datetime.now(UTC))
    replies.tell(house.redis, reply_to, found.as_dict())


@app.task(name=names.AGGREGATE)
def aggregate() -> None:
    if _counting.acquire(blocking=False):  # else somebody is at it, and counts what was marked meanwhile, too
        try:
            hours.count_all(context.get().database)
        finally:
            _counting.release()


@app.task(name=names.SWEEP)
def sweep() -> None:
    house = context.get()
    with house.database.read() as session:
        missed = unscored.count_free(session, datetime.now(UTC), house.settings.max_attempts, at_most=1)
    if missed and not house.redis.llen(names.SCORING_BULK):
        _score()


@app.task(name=names.PURGE_POSTS, bind=True)
@once_a_slot
def purge_posts(_: datetime) -> Outcome:
    house = context.get()
    return {"posts": retention.purge(house.database, house.settings.retention, datetime.now(UTC))}


@app.task(name=names.HONOUR_DELETIONS, bind=True)
@once_a_slot
def honour_deletions(_: datetime) -> Outcome:
    house = context.get()
    return deletions.honour(house.database, house.settings, context.privacy(), datetime.now(UTC))


def _score() -> None:
    app.send_task(names.SCORE_POSTS)
