"""brands, feeds, posts, scores, hours, the timetable's changes"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

WITHOUT_BRAND = sa.text("brand_id IS NULL")
COUNTED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "brands",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("name_key", sa.String(length=200), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name_key"),
    )
    op.create_table(
        "call_hours",
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("texts", sa.Integer(), nullable=False),
        sa.Column("sum_negative", sa.Double(), nullable=False),
        sa.Column("sum_neutral", sa.Double(), nullable=False),
        sa.Column("sum_positive", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "model"),
    )
    op.create_table(
        "mirrored_hours",
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hour"),
    )
    op.create_table(
        "forgotten",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "posts",
        sa.Column("id", COUNTED, autoincrement=True, nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("external_id", sa.String(length=512), nullable=False),
        sa.Column("author", sa.String(length=255), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("reach", sa.Integer(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source", "external_id"),
    )
    op.create_index("ix_posts_author", "posts", ["source", "author"], unique=False)
    op.create_index("ix_posts_posted", "posts", ["posted_at", "id"], unique=False)
    op.create_table(
        "reads",
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("feed_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("source", "day", "feed_id"),
    )
    op.create_table(
        "schedules",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("cron", sa.String(length=100), nullable=True),
        sa.Column("changed_by", sa.String(length=64), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "slots",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", "due_at"),
    )
    op.create_index("ix_slots_due", "slots", ["due_at"], unique=False)
    op.create_table(
        "dirty_hours",
        sa.Column("brand_id", sa.Integer(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("marks", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("brand_id", "hour", "source"),
    )
    op.create_table(
        "feeds",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("brand_id", sa.Integer(), nullable=True),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("every_s", sa.Integer(), nullable=False),
        sa.Column("cursor", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("inspected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("complete_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("brand_id", "source", "target"),
    )
    op.create_index("ix_feeds_due", "feeds", ["due_at"], unique=False)
    op.create_index(
        "ux_feeds_without_brand",
        "feeds",
        ["source", "target"],
        unique=True,
        sqlite_where=WITHOUT_BRAND,
        postgresql_where=WITHOUT_BRAND,
    )
    op.create_table(
        "hours",
        sa.Column("brand_id", sa.Integer(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
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
        sa.PrimaryKeyConstraint("brand_id", "hour", "source", "model"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mentions",
        sa.Column("brand_id", sa.Integer(), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("post_id", COUNTED, nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("feed_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("brand_id", "posted_at", "post_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_mentions_post", "mentions", ["post_id"], unique=False)
    op.create_table(
        "scores",
        sa.Column("post_id", COUNTED, nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("negative", sa.Double(), nullable=False),
        sa.Column("neutral", sa.Double(), nullable=False),
        sa.Column("positive", sa.Double(), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("post_id", "model"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "taught",
        sa.Column("text_key", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.version"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("text_key", "model"),
    )
    op.create_table(
        "unscored",
        sa.Column("post_id", COUNTED, autoincrement=False, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("post_id"),
    )
    op.create_table(
        "gaps",
        sa.Column("id", COUNTED, autoincrement=True, nullable=False),
        sa.Column("feed_id", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.Column("filled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_gaps_feed", "gaps", ["feed_id", "since"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_gaps_feed", table_name="gaps")
    op.drop_table("gaps")
    op.drop_table("unscored")
    op.drop_table("taught")
    op.drop_table("scores")
    op.drop_index("ix_mentions_post", table_name="mentions")
    op.drop_table("mentions")
    op.drop_table("hours")
    op.drop_index("ux_feeds_without_brand", table_name="feeds")
    op.drop_index("ix_feeds_due", table_name="feeds")
    op.drop_table("feeds")
    op.drop_table("dirty_hours")
    op.drop_index("ix_slots_due", table_name="slots")
    op.drop_table("slots")
    op.drop_table("schedules")
    op.drop_table("reads")
    op.drop_index("ix_posts_posted", table_name="posts")
    op.drop_index("ix_posts_author", table_name="posts")
    op.drop_table("posts")
    op.drop_table("forgotten")
    op.drop_table("mirrored_hours")
    op.drop_table("call_hours")
    op.drop_table("brands")
