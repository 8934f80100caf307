"""What tells an open page that there is something new: server-sent events."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from flask import Response
from sqlalchemy import func, select

from api.auth import requires
from api.pages import brands
from api.pages.site import blueprint
from api.services import Services, services
from overheard.errors import NotFound, ScoringUnavailable
from overheard.store.jobs import UNFINISHED
from overheard.store.keys import Role
from overheard.store.tables.counts import Hour
from overheard.store.tables.work import Job

COUNTS_EVERY_S, JOBS_EVERY_S = 2.0, 1.0
HEARTBEAT_S: Final = 5
"""A page that was closed is noticed when something is said to it; until then it keeps its stream from others."""
LASTS_S: Final = 300
"""Then the browser asks again, and shows that its key still holds."""
LATELY: Final = timedelta(days=2)
MOST_JOBS: Final = 100


@blueprint.get("/app/events")
@requires(Role.viewer)
def events() -> Response:
    """`heard` whenever the brand's counts of the last days have changed. Raises ScoringUnavailable."""
    brand, house = brands.chosen(), services()
    if brand is None:
        raise NotFound("brand", "")
    return _told(house, "heard", COUNTS_EVERY_S, lambda: _counts(house, brand.id))


@blueprint.get("/app/jobs/events")
@requires(Role.viewer)
def job_events() -> Response:
    """`jobs` whenever there is a new one, or one that is under way has got on. Raises ScoringUnavailable."""
    house = services()
    return _told(house, "jobs", JOBS_EVERY_S, lambda: _under_way(house))


def _told(house: Services, name: str, every_s: float, look: Callable[[], object]) -> Response:
    if not house.streams.acquire(blocking=False):
        raise ScoringUnavailable(f"{house.settings.max_streams} event streams are open already", 5)
    response = Response(_stream(house, name, every_s, look), content_type="text/event-stream")
    response.call_on_close(house.streams.release)
    return response


def _stream(house: Services, name: str, every_s: float, look: Callable[[], object]) -> Iterator[str]:
    began = spoke = time.monotonic()
    seen = look()
    yield ": listening\n\n"
    while not house.desk.is_stopping() and time.monotonic() - began < LASTS_S:
        time.sleep(every_s)
        now = look()
        if now != seen:
            seen, spoke = now, time.monotonic()
            yield f"event: {name}\ndata: {{}}\n\n"
        elif time.monotonic() - spoke > HEARTBEAT_S:
            spoke = time.monotonic()
            yield ": still here\n\n"


def _counts(house: Services, brand_id: int) -> tuple[int, float]:
    """Posts, and a sum that other scores would change."""
    sums = select(func.sum(Hour.posts), func.sum(Hour.sum_negative + 2 * Hour.sum_positive))
    lately = (Hour.brand_id == brand_id, Hour.hour >= datetime.now(UTC) - LATELY)
    with house.database.read() as session:
        posts, scores = session.execute(sums.where(*lately)).one()
    return int(posts or 0), float(scores or 0)


def _under_way(house: Services) -> tuple[datetime | None, list[Any]]:
    """When the newest was made, and how those that have not ended stand."""
    unfinished = select(Job.id, Job.state, Job.stage, Job.done).where(Job.state.in_(UNFINISHED)).limit(MOST_JOBS)
    with house.database.read() as session:
        newest = session.scalar(select(Job.created_at).order_by(Job.created_at.desc()).limit(1))
        return newest, list(session.execute(unfinished.order_by(Job.created_at.desc())))
