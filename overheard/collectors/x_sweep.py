"""How far a query of X has been read: from the newest post down to the last one that was known, page by page.

Ids of X tell times: https://docs.x.com/fundamentals/x-ids
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from overheard.collectors.base import Span

SLACK: Final = timedelta(minutes=1)
"""For clocks that differ."""
WINDOW: Final = timedelta(days=7) - SLACK
"""How far back X's search goes."""
ID_EPOCH_MS: Final = 1_288_834_974_657
OUT_OF_REACH: Final = "X's search goes back seven days only"


def time_of(post_id: int) -> datetime:
    """When the post was made that has this id."""
    return datetime.fromtimestamp(((post_id >> 22) + ID_EPOCH_MS) / 1000, UTC)


def id_at(moment: datetime) -> int:
    """The least id of a post that was made then."""
    return (int(moment.timestamp() * 1000) - ID_EPOCH_MS) << 22


@dataclass
class Sweep:
    """since: all that is older has been read, or is lost; since_id: the newest post of that.

    In mid-sweep: began_at, newest_id: what will be since and since_id after it; until_id: all from there up was read;
    token: goes on where a page was empty and yet not the last. floor: X gives nothing older.
    """

    query: str
    floor: datetime
    since: datetime
    since_id: int | None = None
    began_at: datetime | None = None
    newest_id: int | None = None
    until_id: int | None = None
    token: str | None = None

    @classmethod
    def resume(cls, query: str, state: Mapping[str, Any], now: datetime) -> Self:
        """state: as `state()` gave it, or {} for a query that is new."""
        floor = now - WINDOW
        times = {name: datetime.fromisoformat(state[name]) for name in ("since", "began_at") if name in state}
        ids = {name: int(state[name]) for name in ("since_id", "newest_id", "until_id") if name in state}
        return cls(
            query,
            floor,
            since=times.get("since", floor),
            since_id=ids.get("since_id"),
            began_at=times.get("began_at"),
            newest_id=ids.get("newest_id"),
            until_id=ids.get("until_id"),
            token=state.get("token"),
        )

    def state(self) -> dict[str, str]:
        """JSON; ids as texts, since they are too long for the numbers of some readers."""
        times = {"since": self.since, "began_at": self.began_at}
        ids = {"since_id": self.since_id, "newest_id": self.newest_id, "until_id": self.until_id}
        return {
            **{name: moment.isoformat() for name, moment in times.items() if moment},
            **{name: str(number) for name, number in ids.items() if number},
            **({"token": self.token} if self.token else {}),
        }

    @property
    def until(self) -> datetime | None:
        return time_of(self.until_id) if self.until_id else None

    @property
    def is_out_of_reach(self) -> bool:
        """Whether X gives nothing of what remains of this sweep."""
        return self.until is not None and self.until <= self.floor

    def parameters(self) -> dict[str, Any]:
        """For the next request. X refuses a since_id that it can't reach: then the first that it can is sent."""
        since_id = max(self.since_id, id_at(self.floor)) if self.since_id else None
        found = {"since_id": since_id, "until_id": self.until_id, "next_token": self.token}
        return {"query": self.query, **{name: value for name, value in found.items() if value}}

    def advance(self, ids: Sequence[int], token: str | None, now: datetime) -> tuple[bool, Span | None]:
        """After a page with these ids, and a token if more follow: whether the sweep has ended, and what is lost."""
        self.began_at = self.began_at or now
        if ids:
            self.newest_id, self.until_id = self.newest_id or max(ids), min(ids)
        self.token = None if ids else token
        return (False, None) if token else (True, self.finish(now))

    def finish(self, now: datetime) -> Span | None:
        """The end of the sweep; what lies between `since` and X's reach is lost, beyond the slack that we leave it."""
        reached = min(self.floor, self.until) if self.until else self.floor
        lost = Span(self.since, reached, OUT_OF_REACH) if self.since < reached - SLACK else None
        self.since, self.since_id = self.began_at or now, self.newest_id or self.since_id
        self.began_at = self.newest_id = self.until_id = self.token = None
        return lost
