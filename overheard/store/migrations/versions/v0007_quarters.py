"""hours are summed up by quarters of days; jobs of a kind are found without looking at the others"""

from itertools import groupby

import numpy as np
import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

HOURS = 6
PLACE = ("brand_id", "hour", "source", "model", "language")
SUMS = (
    *("posts", "called_negative", "called_neutral", "called_positive"),
    *("sum_negative", "sum_neutral", "sum_positive", "reach"),
)
MOMENTS = 4 * 109
AT_ONCE = 500


def upgrade() -> None:
    op.create_table(
        "quarters",
        sa.Column("brand_id", sa.Integer(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("posts", sa.Integer(), nullable=False),
        sa.Column("called_negative", sa.Integer(), nullable=False),
        sa.Column("called_neutral", sa.Integer(), nullable=False),
        sa.Column("called_positive", sa.Integer(), nullable=False),
        sa.Column("sum_negative", sa.Double(), nullable=False),
        sa.Column("sum_neutral", sa.Double(), nullable=False),
        sa.Column("sum_positive", sa.Double(), nullable=False),
        sa.Column("reach", sa.Integer(), nullable=False),
        sa.Column("moments", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(*PLACE),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_jobs_kind", "jobs", ["kind", "created_at", "id"], unique=False)
    _sum_up(op.get_bind())


def downgrade() -> None:
    op.drop_index("ix_jobs_kind", table_name="jobs")
    op.drop_table("quarters")


def _sum_up(connection: sa.Connection) -> None:
    """Whoever counts an hour sums up its quarter; these were counted before."""
    names = (*PLACE, *SUMS, "moments")
    hours, quarters = (
        sa.table(name, *map(sa.column, names[:-1]), sa.column("moments", sa.LargeBinary))
        for name in ("hours", "quarters")
    )
    for brand_id in connection.scalars(sa.select(hours.c.brand_id).distinct().order_by(hours.c.brand_id)).all():
        found = connection.execute(sa.select(hours).where(hours.c.brand_id == brand_id).order_by(hours.c.hour))
        rows: list[dict[str, object]] = []
        for quarter, some in groupby(found.all(), lambda row: row.hour // HOURS):
            ordered = sorted(some, key=lambda row: (row.source, row.model, row.language))
            for place, alike in groupby(ordered, lambda row: (row.source, row.model, row.language)):
                row = dict(zip(PLACE, (brand_id, quarter * HOURS, *place), strict=True))
                same = list(alike)
                row |= {name: sum(getattr(hour, name) for hour in same) for name in SUMS}
                rows.append(row | {"moments": _added([bytes(hour.moments) for hour in same])})
        for start in range(0, len(rows), AT_ONCE):
            connection.execute(quarters.insert(), rows[start : start + AT_ONCE])


def _added(moments: list[bytes]) -> bytes:
    """Of those that are of the format of today."""
    known = [np.frombuffer(one, "<f4") for one in moments if len(one) == MOMENTS]
    return np.sum(known, axis=0, dtype=np.float32).tobytes() if known else b""
