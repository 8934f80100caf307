"""audits, accuracy without labels, drift, alerts and who is told; hours are counted anew, in cells and by language"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

COUNTED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

HOUR_OF = {
    "sqlite": "CAST(strftime('%s', posted_at) AS INTEGER) / 3600",
    "postgresql": "CAST(floor(extract(epoch FROM posted_at) / 3600) AS INTEGER)",
}
MARK_HOURS = """
INSERT INTO dirty_hours (brand_id, hour, source, marks)
SELECT kept.brand_id, kept.hour, kept.source, 1
FROM (
    SELECT brand_id, {hour} AS hour, source, count(*) AS posts FROM mentions GROUP BY brand_id, {hour}, source
) AS kept
JOIN (
    SELECT brand_id, hour, source, sum(posts) AS posts FROM hours GROUP BY brand_id, hour, source
) AS counted ON counted.brand_id = kept.brand_id AND counted.hour = kept.hour AND counted.source = kept.source
WHERE kept.posts >= counted.posts
ON CONFLICT DO NOTHING
"""
"""Not the hours that posts were purged from: counting these anew would forget them."""
MARK_ALL_HOURS = """
INSERT INTO dirty_hours (brand_id, hour, source, marks)
SELECT brand_id, {hour}, source, 1 FROM mentions GROUP BY brand_id, {hour}, source
ON CONFLICT DO NOTHING
"""
OLD_HOURS = (
    *("brand_id", "hour", "source", "model", "posts", "called_negative", "called_neutral", "called_positive"),
    *("sum_negative", "sum_neutral", "sum_positive", "reach", "moments"),
)


def _hours(*more: sa.Column[str]) -> None:
    op.create_table(
        "hours",
        sa.Column("brand_id", sa.Integer(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        *more,
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
        sa.PrimaryKeyConstraint("brand_id", "hour", "source", "model", *(column.name for column in more)),
        sqlite_with_rowid=False,
    )


def upgrade() -> None:
    op.create_table(
        "draws",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("brand_id", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("strata", sa.JSON(), nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("brand_id", "since", "until"),
    )
    op.create_table(
        "drifts",
        sa.Column("brand_id", sa.Integer(), nullable=False),
        sa.Column("week", sa.DateTime(timezone=True), nullable=False),
        sa.Column("feature", sa.String(length=32), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("posts", sa.BigInteger(), nullable=False),
        sa.Column("is_drift", sa.Boolean(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("brand_id", "week", "feature", "model"),
    )
    op.create_table(
        "qualities",
        sa.Column("brand_id", sa.Integer(), nullable=False),
        sa.Column("week", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("posts", sa.BigInteger(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("brand_id", "week", "source", "language", "model"),
    )
    op.create_table(
        "recipients",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.Integer(), nullable=True),
        sa.Column("wants_alerts", sa.Boolean(), nullable=False),
        sa.Column("wants_digest", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "rules",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("brand_id", sa.Integer(), nullable=True),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("quiet", sa.JSON(), nullable=True),
        sa.Column("cooldown_s", sa.Integer(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("snoozed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "watches",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "unclear",
        sa.Column("text_key", sa.String(length=64), nullable=False),
        sa.Column("labelled_by", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("text_key", "labelled_by"),
    )
    op.create_table(
        "audits",
        sa.Column("id", COUNTED, autoincrement=True, nullable=False),
        sa.Column("draw_id", sa.Integer(), nullable=False),
        sa.Column("brand_id", sa.Integer(), nullable=False),
        sa.Column("post_id", COUNTED, nullable=True),
        sa.Column("stratum", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text_key", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("negative", sa.Double(), nullable=False),
        sa.Column("neutral", sa.Double(), nullable=False),
        sa.Column("positive", sa.Double(), nullable=False),
        sa.Column("unclear_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["draw_id"], ["draws.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("draw_id", "post_id"),
    )
    op.create_index("ix_audits_brand", "audits", ["brand_id", "posted_at"], unique=False)
    op.create_index("ix_audits_post", "audits", ["post_id"], unique=False)
    op.create_index("ix_audits_text", "audits", ["text_key"], unique=False)
    op.create_table(
        "incidents",
        sa.Column("id", COUNTED, autoincrement=True, nullable=False),
        sa.Column("rule_id", sa.Integer(), nullable=False),
        sa.Column("brand_id", sa.Integer(), nullable=True),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("finding", sa.JSON(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=64), nullable=False),
        sa.Column("snoozed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["rule_id"], ["rules.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_incidents_opened", "incidents", ["opened_at", "id"], unique=False)
    op.create_index("ix_incidents_rule", "incidents", ["rule_id", "key", "resolved_at"], unique=False)
    op.create_index(
        "ux_incidents_open",
        "incidents",
        ["rule_id", "key"],
        unique=True,
        sqlite_where=sa.text("resolved_at IS NULL"),
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_table(
        "notices",
        sa.Column("id", COUNTED, autoincrement=True, nullable=False),
        sa.Column("recipient_id", sa.Integer(), nullable=False),
        sa.Column("incident_id", COUNTED, nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column("body", sa.JSON(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("recipient_id", "kind", "subject"),
    )
    op.create_index(
        "ix_notices_due",
        "notices",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("sent_at IS NULL AND failed_at IS NULL"),
        postgresql_where=sa.text("sent_at IS NULL AND failed_at IS NULL"),
    )
    op.create_index("ix_notices_incident", "notices", ["incident_id"], unique=False)
    op.rename_table("hours", "old_hours")
    _hours(sa.Column("language", sa.String(length=8), nullable=False))
    columns = ", ".join(OLD_HOURS)
    op.execute(f"INSERT INTO hours ({columns}, language) SELECT {columns}, '' FROM old_hours")  # noqa: S608  # nosec B608 - our own columns
    op.drop_table("old_hours")
    op.execute(MARK_HOURS.format(hour=HOUR_OF[op.get_bind().dialect.name]))


def downgrade() -> None:
    op.drop_table("hours")
    _hours()
    op.execute(MARK_ALL_HOURS.format(hour=HOUR_OF[op.get_bind().dialect.name]))
    op.drop_index("ix_notices_incident", table_name="notices")
    op.drop_index(
        "ix_notices_due",
        table_name="notices",
        sqlite_where=sa.text("sent_at IS NULL AND failed_at IS NULL"),
        postgresql_where=sa.text("sent_at IS NULL AND failed_at IS NULL"),
    )
    op.drop_table("notices")
    op.drop_index(
        "ux_incidents_open",
        table_name="incidents",
        sqlite_where=sa.text("resolved_at IS NULL"),
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.drop_index("ix_incidents_rule", table_name="incidents")
    op.drop_index("ix_incidents_opened", table_name="incidents")
    op.drop_table("incidents")
    op.drop_index("ix_audits_text", table_name="audits")
    op.drop_index("ix_audits_post", table_name="audits")
    op.drop_index("ix_audits_brand", table_name="audits")
    op.drop_table("audits")
    op.drop_table("watches")
    op.drop_table("unclear")
    op.drop_table("rules")
    op.drop_table("recipients")
    op.drop_table("qualities")
    op.drop_table("drifts")
    op.drop_table("draws")
