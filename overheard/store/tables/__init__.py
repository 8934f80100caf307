"""The tables. Times are UTC and aware; ids are strings made by whoever inserts, or counted where rows are many."""

from overheard.store.tables.base import EPOCH, Table, UtcDateTime, WholeHour
from overheard.store.tables.counts import CallHour, DirtyHour, Hour, MirroredHour
from overheard.store.tables.heard import Brand, Feed, Forgotten, Gap, Mention, Post, Reads, Score, Unscored
from overheard.store.tables.learning import Champion, Label, Model, Taught
from overheard.store.tables.timetable import Schedule, Slot
from overheard.store.tables.work import Batch, Job, JobLine, Key, Part, PartRows

__all__ = [
    "EPOCH",
    "Batch",
    "Brand",
    "CallHour",
    "Champion",
    "DirtyHour",
    "Feed",
    "Forgotten",
    "Gap",
    "Hour",
    "Job",
    "JobLine",
    "Key",
    "Label",
    "Mention",
    "MirroredHour",
    "Model",
    "Part",
    "PartRows",
    "Post",
    "Reads",
    "Schedule",
    "Score",
    "Slot",
    "Table",
    "Taught",
    "Unscored",
    "UtcDateTime",
    "WholeHour",
]
