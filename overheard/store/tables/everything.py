"""All tables, for migrations and whoever compares."""

from overheard.store.tables import alerting, audits, counts, heard, learning, timetable, work
from overheard.store.tables.base import Table

__all__ = ["Table", "alerting", "audits", "counts", "heard", "learning", "timetable", "work"]
