"""Rows that were seen before in almost the same words: judging by them would flatter a model."""

from overheard.copies import unlike
from overheard.training.data import Rows


def without_copies(rows: Rows, seen: Rows) -> Rows:
    """The rows that are no near copies of a row in `seen`."""
    return rows[unlike(rows.texts, seen.texts)]
