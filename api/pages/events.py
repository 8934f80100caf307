"""What tells an open page that there is something new: server-sent events."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from flask import Response, json
from sqlalchemy import func, select

from api.auth import requires
from api.pages import brands
from api.pages.site import blueprint
from api.services import Services, services
from overheard.errors import NotFound, ScoringUnavailable
from overheard.store.keys import Role
from overheard.store.tables.counts import Hour

LOOK_EVERY_S: Final = 2
HEARTBEAT_S: Final = 15
LASTS_S: Final = 300
"""Then the browser asks again, and shows that its key still holds."""
LATELY: Final = timedelta(days=2)


@blueprint.get("/app/events")
@requires(Role.viewer)
def events() -> Response:
    """`heard` whenever the brand's counts of the last days have changed. Raises ScoringUnavailable."""
    brand, house = brands.chosen(), services()
    if brand is None:
        raise NotFound("brand", "")
    if not house.streams.acquire(blocking=False):
        raise ScoringUnavailable(f"{house.settings.max_streams} event streams are open already", 5)
    response = Response(_stream(house, brand.id), content_type="text/event-stream")
    response.call_on_close(house.streams.release)
    return response


def _stream(house: Services, brand_id: int) -> Iterator[str]:
    began = spoke = time.monotonic()
    seen = _counts(house, brand_id)
    yield ": listening\n\n"
    while not house.desk.is_stopping() and time.monotonic() - began < LASTS_S:
        time.sleep(LOOK_EVERY_S)
        now = _counts(house, brand_id)
        if now != seen:
            seen, spoke = now, time.monotonic()
            yield f"event: heard\ndata: {json.dumps({'posts': now[0]})}\n\n"
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
