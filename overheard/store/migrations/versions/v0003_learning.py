"""labels, models, champion; trainings are jobs, one at a time"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ONE_TRAINING = sa.text("kind = 'training' AND state IN ('queued', 'running')")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("options", sa.JSON(), nullable=True))
    op.add_column("jobs", sa.Column("facts", sa.JSON(), nullable=True))
    op.add_column("jobs", sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("mirrored_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ux_jobs_one_training",
        "jobs",
        ["kind"],
        unique=True,
        sqlite_where=ONE_TRAINING,
        postgresql_where=ONE_TRAINING,
    )
    op.create_table(
        "labels",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("text_key", sa.String(length=64), nullable=False),
        sa.Column("label", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(length=8), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("brand", sa.String(length=100), nullable=False),
        sa.Column("labelled_by", sa.String(length=64), nullable=False),
        sa.Column("labelled_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("text_key", "labelled_by", "purpose"),
    )
    op.create_index("ix_labels_labelled", "labels", ["labelled_at", "id"], unique=False)
    op.create_table(
        "models",
        sa.Column("version", sa.String(length=12), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("data_hash", sa.String(length=64), nullable=True),
        sa.Column("job_id", sa.String(length=36), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("verdict", sa.JSON(), nullable=True),
        sa.Column("published", sa.JSON(), nullable=True),
        sa.Column("mirrored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_index("ix_models_created", "models", ["created_at", "version"], unique=False)
    op.create_table(
        "champion",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.String(length=12), nullable=False),
        sa.Column("previous", sa.String(length=12), nullable=True),
        sa.Column("changed_by", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mirrored_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["previous"], ["models.version"]),
        sa.ForeignKeyConstraint(["version"], ["models.version"]),
        sa.PrimaryKeyConstraint("id"),
    )


def downgrade() -> None:
    op.drop_table("champion")
    op.drop_index("ix_models_created", table_name="models")
    op.drop_table("models")
    op.drop_index("ix_labels_labelled", table_name="labels")
    op.drop_table("labels")
    op.drop_index("ux_jobs_one_training", table_name="jobs")
    op.drop_column("jobs", "mirrored_at")
    op.drop_column("jobs", "attempts")
    op.drop_column("jobs", "facts")
    op.drop_column("jobs", "options")
