"""What was changed of the timetable, and done of it."""

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from overheard.store.tables.base import Table


class Schedule(Table):
    """What somebody changed of an entry of the timetable. cron: five fields (UTC), or None for the entry's own."""

    __tablename__ = "schedules"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    is_paused: Mapped[bool] = mapped_column(default=False)
    cron: Mapped[str | None] = mapped_column(String(100))
    changed_by: Mapped[str] = mapped_column(String(64))
    changed_at: Mapped[datetime]


class Slot(Table):
    """A run of an entry of the timetable: whoever inserts it does it, so a slot that is sent twice is done once.

    due_at: the slot's time; of a run that somebody asked for, when that was. asked_by: empty for the timetable's own.
    """

    __tablename__ = "slots"
    __table_args__ = (Index("ix_slots_due", "due_at"),)

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(primary_key=True)
    asked_by: Mapped[str] = mapped_column(String(64), default="")
    claimed_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str] = mapped_column(Text, default="")
