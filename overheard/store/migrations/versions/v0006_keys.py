"""keys can be rotated, and tell when they were last used"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("keys", sa.Column("last_used_at", sa.DateTime(timezone=True)))
    op.add_column("keys", sa.Column("old_hash", sa.String(64)))
    op.add_column("keys", sa.Column("old_until", sa.DateTime(timezone=True)))


def downgrade() -> None:
    for column in ("old_until", "old_hash", "last_used_at"):
        op.drop_column("keys", column)
