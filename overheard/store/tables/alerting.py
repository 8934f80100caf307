"""What is watched, what was found, who is told, and what was told already."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from overheard.store.tables.base import COUNTED, Table, partial_index
from overheard.store.tables.heard import Brand


class Rule(Table):
    """What is watched. kind: one of `overheard.alerts.rules`. brand_id: None for the installation or for all brands.

    options: what its kind can be told: thresholds, sensitivity, minimum sample. quiet: {"from", "until", "tz"} or None:
    then nobody is told, unless it lasts. cooldown_s: so long after an incident was resolved none of its like is opened.
    """

    __tablename__ = "rules"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    kind: Mapped[str] = mapped_column(String(32))
    brand_id: Mapped[int | None] = mapped_column(ForeignKey(Brand.id, ondelete="CASCADE"))
    options: Mapped[dict[str, Any]]
    quiet: Mapped[dict[str, Any] | None]
    cooldown_s: Mapped[int]
    is_enabled: Mapped[bool]
    snoozed_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class Watch(Table):
    """When something of the watching was last done, by whom: who moves `at` on does it, so that only one does.

    name: `machine`, `brands`, `slow`, or `default:` and a rule that came with the installation and is made once.
    facts: what it remembers from look to look, for JSON.
    """

    __tablename__ = "watches"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(64), default="")
    facts: Mapped[dict[str, Any]]


class Incident(Table):
    """Something that a rule found, from its first sight to its end: one alert, however often it is seen.

    key: what it is about, as `overheard.alerts.finding.Finding` says; a rule has one open incident per key.
    finding: the newest, for JSON. seen_at: when it was last found so, or
    could not be judged.
    """

    __tablename__ = "incidents"
    __table_args__ = (
        partial_index("ux_incidents_open", "rule_id", "key", where="resolved_at IS NULL", unique=True),
        Index("ix_incidents_opened", "opened_at", "id"),
        Index("ix_incidents_rule", "rule_id", "key", "resolved_at"),
    )

    id: Mapped[int] = mapped_column(COUNTED, primary_key=True, autoincrement=True)
    rule_id: Mapped[int] = mapped_column(ForeignKey("rules.id", ondelete="CASCADE"))
    brand_id: Mapped[int | None] = mapped_column(ForeignKey(Brand.id, ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(255))
    finding: Mapped[dict[str, Any]]
    opened_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str] = mapped_column(String(64), default="")
    snoozed_until: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]


class Recipient(Table):
    """Who is told. url: where, as apprise writes it, sealed with the installation's secret; shown: the same, masked.

    brand_id: only of this brand; None: of everything.
    """

    __tablename__ = "recipients"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    url: Mapped[str] = mapped_column(Text)
    shown: Mapped[str] = mapped_column(Text)
    brand_id: Mapped[int | None] = mapped_column(ForeignKey(Brand.id, ondelete="CASCADE"))
    wants_alerts: Mapped[bool]
    wants_digest: Mapped[bool]
    created_at: Mapped[datetime]


class Notice(Table):
    """Something that a recipient is to be told, once: the outbox. Taken with a lease, tried again later and later.

    kind: opened, resolved, digest or test. subject: the incident's id, or the digest's brand and week: with kind and
    recipient it is told once. body: what is told where no incident is, for JSON.
    """

    __tablename__ = "notices"
    __table_args__ = (
        UniqueConstraint("recipient_id", "kind", "subject"),
        partial_index("ix_notices_due", "due_at", where="sent_at IS NULL AND failed_at IS NULL"),
        Index("ix_notices_incident", "incident_id"),
    )

    id: Mapped[int] = mapped_column(COUNTED, primary_key=True, autoincrement=True)
    recipient_id: Mapped[int] = mapped_column(ForeignKey("recipients.id", ondelete="CASCADE"))
    incident_id: Mapped[int | None] = mapped_column(COUNTED, ForeignKey("incidents.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(100))
    body: Mapped[dict[str, Any] | None]
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    problem: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
