"""What scoring adds to a row: negative, neutral, positive, label, model."""

from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from overheard.errors import DataError
from overheard.rows.base import Rows
from overheard.scoring.bundle import LABELS

ADDED: Final = (*((name, pa.float32()) for name in LABELS), ("label", pa.string()), ("model", pa.string()))


def require_free(rows: Rows, prefix: str, option: str) -> None:
    """Raises DataError when the rows have one of the columns already; `option` is how a caller sets the prefix."""
    if taken := next((prefix + name for name, _ in ADDED if prefix + name in rows.schema.names), None):
        advice = f"name ours otherwise, for example {option}{prefix}predicted_"
        raise DataError(f"{rows.name} has a column {taken!r} already: {advice}")


def scored_schema(schema: pa.Schema, prefix: str) -> pa.Schema:
    added = [pa.field(prefix + name, kind) for name, kind in ADDED]
    return pa.schema([*schema, *added], metadata=schema.metadata)


def with_scores(
    table: pa.Table, schema: pa.Schema, scores: NDArray[np.float32], model: str, has_text: NDArray[np.bool_]
) -> pa.Table:
    """The table in the schema of `scored_schema`; scores: (n, 3); a row without text gets nulls."""
    labels = np.array(LABELS)[scores.argmax(axis=1)]
    cells = [*scores.T, labels, np.full(len(scores), model)]
    kinds = [kind for _, kind in ADDED]
    arrays = [pa.array(cell, kind, mask=~has_text) for cell, kind in zip(cells, kinds, strict=True)]
    return pa.Table.from_arrays([*table.columns, *arrays], schema=schema)
