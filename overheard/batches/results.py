"""A batch's scored rows, part by part, in the order in which they came."""

from contextlib import closing
from typing import BinaryIO

import numpy as np

from overheard.batches.receive import unpacked
from overheard.formats import Format
from overheard.rows import texts, write_to
from overheard.rows.scored import scored_schema, with_scores
from overheard.store import batches
from overheard.store.database import Database


def write_results(database: Database, job_id: str, kind: Format, sink: BinaryIO) -> None:
    """The columns of the input and those that scoring adds. Raises NotFound when the batch is deleted meanwhile."""
    with database.read() as session:
        _, batch = batches.get(session, job_id)
    parts = ((unpacked(part.rows), part.answer) for part in batches.scored(database, job_id))
    table, answer = next(parts)
    schema = scored_schema(table.schema, batch.prefix)
    with closing(write_to(sink, kind, schema)) as out:
        while table is not None:
            has_text = np.array([text is not None for text in texts(table, batch.text_column)])
            scores = np.zeros((table.num_rows, 3), np.float32)
            scores[has_text] = answer.scores
            out.write(with_scores(table, schema, scores, answer.model, has_text))
            table, answer = next(parts, (None, answer))
