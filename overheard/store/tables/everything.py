"""All tables, for migrations and whoever compares."""

from overheard.store.tables import counts, heard, learning, timetable, work
from overheard.store.tables.base import Table

__all__ = ["Table", "counts", "heard", "learning", "timetable", "work"]
