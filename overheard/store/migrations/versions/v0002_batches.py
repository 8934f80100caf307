"""batches"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("done_before", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("rejected", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "batches",
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("format", sa.String(length=16), nullable=False),
        sa.Column("text_column", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("rejects", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_table(
        "part_rows",
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("rows", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "number"),
    )
    unscored = sa.text("scores IS NULL")
    op.create_index(
        "ix_parts_unscored", "parts", ["job_id", "number"], sqlite_where=unscored, postgresql_where=unscored
    )


def downgrade() -> None:
    op.drop_index("ix_parts_unscored", table_name="parts")
    op.drop_table("part_rows")
    op.drop_table("batches")
    op.drop_column("jobs", "rejected")
    op.drop_column("jobs", "done_before")
