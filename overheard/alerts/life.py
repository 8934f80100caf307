"""The life of an incident, and when people may be told. Pure: who acts on it is elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import Enum, auto
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from overheard import zones
from overheard.errors import DataError


class Step(Enum):
    """What becomes of an incident. keep: it goes on, or nobody knows; wait: it is calm, but not for long enough."""

    nothing = auto()
    open = auto()
    keep = auto()
    wait = auto()
    resolve = auto()


@dataclass(frozen=True)
class Past:
    """What is known of a rule's incidents of one key. seen_at: when the open one was last found or could not be judged;
    None: none is open. resolved_at: when the last one ended."""

    seen_at: datetime | None = None
    resolved_at: datetime | None = None


def step(past: Past, *, is_found: bool, is_unknown: bool, now: datetime, calm_s: int, cooldown_s: int) -> Step:
    """What happens at this look."""
    if past.seen_at is None:
        cools = past.resolved_at is not None and now - past.resolved_at < timedelta(seconds=cooldown_s)
        return Step.open if is_found and not cools else Step.nothing
    if is_found or is_unknown:
        return Step.keep
    return Step.resolve if now - past.seen_at >= timedelta(seconds=calm_s) else Step.wait


def _known_zone(name: str) -> str:
    if name not in zones.names():
        raise ValueError(f"there is no time zone {name[:50]!r}; write it like Europe/Berlin")
    return name


class Quiet(BaseModel):
    """Hours of the day in which nobody is told, in a time zone; they may go past midnight."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    since: time = Field(alias="from", description="Like 22:00")
    until: time = Field(description="Like 07:00, of the next day where it is earlier than `from`")
    tz: Annotated[str, AfterValidator(_known_zone)] = "UTC"

    @model_validator(mode="after")
    def _has_a_length(self) -> "Quiet":
        if self.since == self.until:
            raise ValueError("`from` and `until` are the same: quiet hours end")
        if self.since.tzinfo or self.until.tzinfo:
            raise ValueError("write times without a zone; `tz` has it")
        return self

    @classmethod
    def of(cls, kept: Mapping[str, Any] | None) -> "Quiet | None":
        """What a rule keeps. Raises DataError."""
        try:
            return cls.model_validate(kept) if kept else None
        except ValidationError as error:
            raise DataError(f"quiet: {error.errors(include_input=False)[0]['msg']}") from None

    def kept(self) -> dict[str, str]:
        """For JSON."""
        return {"from": f"{self.since:%H:%M}", "until": f"{self.until:%H:%M}", "tz": self.tz}

    def end(self, now: datetime) -> datetime | None:
        """When the quiet hours end that it is now in; None: it is in none."""
        here = now.astimezone(ZoneInfo(self.tz))
        clock = here.time()
        overnight = self.since > self.until
        if not (self.since <= clock or clock < self.until if overnight else self.since <= clock < self.until):
            return None
        day = here.date() + timedelta(days=1 if overnight and clock >= self.since else 0)
        return datetime.combine(day, self.until, ZoneInfo(self.tz)).astimezone(now.tzinfo)


def tell_at(now: datetime, quiet: Quiet | None, *snoozed: datetime | None) -> datetime:
    """When people may be told: after the quiet hours, and after what was snoozed."""
    due_at = max([now, *(until for until in snoozed if until)])
    return (quiet and quiet.end(due_at)) or due_at
