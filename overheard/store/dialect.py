"""What either database takes: `INSERT … ON CONFLICT`, lists that are not too long, and bytes that are put together."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, LargeBinary, cast, func, literal
from sqlalchemy.orm import Session

AT_ONCE: Final = 500
"""Values in one IN (…)."""
T = TypeVar("T")


def sliced(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """At most AT_ONCE of them at a time."""
    return (items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE))


def inserting(session: Session, table: type[Any]) -> Any:
    """The dialect's own insert statement. Only the dialect in use is imported: the other one costs time."""
    dialect = import_module(f"sqlalchemy.dialects.{session.get_bind().dialect.name}")
    return dialect.insert(table)


def concatenated(session: Session, column: Any) -> ColumnElement[bytes]:
    """The bytes of all rows of a group, one after the other: a row per group is fetched, not one per row."""
    if session.get_bind().dialect.name == "postgresql":
        return func.string_agg(column, literal(b"", LargeBinary))
    return cast(func.group_concat(column, ""), LargeBinary)  # SQLite's texts are bytes: it converts neither way
