"""`INSERT … ON CONFLICT` on either database."""

from importlib import import_module
from typing import Any

from sqlalchemy.orm import Session


def inserting(session: Session, table: type[Any]) -> Any:
    """The dialect's own insert statement. Only the dialect in use is imported: the other one costs time."""
    dialect = import_module(f"sqlalchemy.dialects.{session.get_bind().dialect.name}")
    return dialect.insert(table)
