"""Brands, where posts on them come from, what was heard, scored and counted."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from overheard.store.tables.base import COUNTED, Table, partial_index


class Brand(Table):
    """Whom people talk about. spec: what `overheard.brands.Spec` holds: aliases, products, languages, …"""

    __tablename__ = "brands"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(100))
    name_key: Mapped[str] = mapped_column(String(200), unique=True)
    spec: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Feed(Table):
    """Where posts on a brand come from. Without a brand, its posts say themselves whom they are about.

    source, target, options: what `overheard.collectors.base.Asked` says; unique per brand. cursor: where the next
    inspection goes on. due_at: when that is. lease_until: while it has not passed, somebody is at it.
    state: new, ok, busy (the platform said when to come back), down, refused (somebody must act), paused.
    problem: {"reason", "advice"} of the last inspection that failed; failures: how many did in a row.
    complete_at: up to when everything that the platform has was read.
    """

    __tablename__ = "feeds"
    __table_args__ = (
        UniqueConstraint("brand_id", "source", "target"),
        partial_index("ux_feeds_without_brand", "source", "target", where="brand_id IS NULL", unique=True),
        Index("ix_feeds_due", "due_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    brand_id: Mapped[int | None] = mapped_column(ForeignKey("brands.id", ondelete="CASCADE"))
    source: Mapped[str] = mapped_column(String(32))
    target: Mapped[str] = mapped_column(Text, default="")
    options: Mapped[dict[str, Any]]
    every_s: Mapped[int]
    cursor: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16), default="new")
    problem: Mapped[dict[str, Any] | None]
    failures: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    inspected_at: Mapped[datetime | None]
    complete_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Gap(Table):
    """A stretch of time of which a feed does not know everything. filled_at: since when it does, after all.

    is_final: the platform no longer gives what is missing.
    """

    __tablename__ = "gaps"
    __table_args__ = (Index("ix_gaps_feed", "feed_id", "since"),)

    id: Mapped[int] = mapped_column(COUNTED, primary_key=True, autoincrement=True)
    feed_id: Mapped[int] = mapped_column(ForeignKey("feeds.id", ondelete="CASCADE"))
    since: Mapped[datetime]
    until: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text)
    is_final: Mapped[bool] = mapped_column(default=False)
    filled_at: Mapped[datetime | None]


class Reads(Table):
    """Posts that a platform billed for on a day (UTC)."""

    __tablename__ = "reads"

    source: Mapped[str] = mapped_column(String(32), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    feed_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int] = mapped_column(default=0)


class Post(Table):
    """What somebody said, once, however many brands it mentions. author: a keyed hash, unless a setting says otherwise.

    details: what the platform told beyond that: url, replies_to, quotes, edited_at. reach: how often it was reposted.
    """

    __tablename__ = "posts"
    __table_args__ = (
        UniqueConstraint("source", "external_id"),
        Index("ix_posts_author", "source", "author"),
        Index("ix_posts_posted", "posted_at", "id"),
    )

    id: Mapped[int] = mapped_column(COUNTED, primary_key=True, autoincrement=True)
    source: Mapped[str] = mapped_column(String(32))
    external_id: Mapped[str] = mapped_column(String(512))
    author: Mapped[str] = mapped_column(String(255), default="")
    text: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(8), default="")
    reach: Mapped[int] = mapped_column(default=0)
    details: Mapped[dict[str, Any]]
    posted_at: Mapped[datetime]
    heard_at: Mapped[datetime]


class Mention(Table):
    """A post is about a brand. posted_at, source: the post's, so that a brand's hours are found without it."""

    __tablename__ = "mentions"
    __table_args__ = (Index("ix_mentions_post", "post_id"), {"sqlite_with_rowid": False})

    brand_id: Mapped[int] = mapped_column(ForeignKey("brands.id", ondelete="CASCADE"), primary_key=True)
    posted_at: Mapped[datetime] = mapped_column(primary_key=True)
    post_id: Mapped[int] = mapped_column(COUNTED, ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True)
    source: Mapped[str] = mapped_column(String(32))
    feed_id: Mapped[int | None]


class Score(Table):
    """What a model version says of a post. The newest counts."""

    __tablename__ = "scores"
    __table_args__ = ({"sqlite_with_rowid": False},)

    post_id: Mapped[int] = mapped_column(COUNTED, ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True)
    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    negative: Mapped[float]
    neutral: Mapped[float]
    positive: Mapped[float]
    scored_at: Mapped[datetime]


class Unscored(Table):
    """A post that waits for its score: new, edited, or to be scored again. Taken with a lease, gone with its score.

    attempts: how often it was taken; a post that was taken too often is left alone, and counted.
    """

    __tablename__ = "unscored"

    post_id: Mapped[int] = mapped_column(
        COUNTED, ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    attempts: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]


class Forgotten(Table):
    """A post that was deleted on request or by its platform, by a keyed hash of its id: it is not kept again."""

    __tablename__ = "forgotten"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime]
