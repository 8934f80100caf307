"""What was drawn for people to check, and how good the model is believed to be where nobody checked."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from overheard.store.tables.base import COUNTED, Table
from overheard.store.tables.heard import Brand, Post


class Draw(Table):
    """A stratified sample of what was said of a brand from `since` to `until`, drawn once.

    strata: {"name", "posts", "drawn"} each: how many posts there were, and how many of them were drawn at random.
    """

    __tablename__ = "draws"
    __table_args__ = (UniqueConstraint("brand_id", "since", "until"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    brand_id: Mapped[int] = mapped_column(ForeignKey(Brand.id, ondelete="CASCADE"))
    since: Mapped[datetime]
    until: Mapped[datetime]
    strata: Mapped[list[dict[str, Any]]]
    drawn_at: Mapped[datetime]


class Audit(Table):
    """A post that was drawn. Its label is the newest of purpose `audit` with its text_key; it holds no text itself.

    stratum: its place in the draw's strata. model, negative, neutral, positive: what was said of it when it was drawn.
    post_id: None when the post is no longer kept. unclear_at: a person looked at it and could not tell.
    """

    __tablename__ = "audits"
    __table_args__ = (
        UniqueConstraint("draw_id", "post_id"),
        Index("ix_audits_brand", "brand_id", "posted_at"),
        Index("ix_audits_post", "post_id"),
        Index("ix_audits_text", "text_key"),
    )

    id: Mapped[int] = mapped_column(COUNTED, primary_key=True, autoincrement=True)
    draw_id: Mapped[int] = mapped_column(ForeignKey("draws.id", ondelete="CASCADE"))
    brand_id: Mapped[int] = mapped_column(ForeignKey(Brand.id, ondelete="CASCADE"))
    post_id: Mapped[int | None] = mapped_column(COUNTED, ForeignKey(Post.id, ondelete="SET NULL"))
    stratum: Mapped[int]
    source: Mapped[str] = mapped_column(String(32))
    language: Mapped[str] = mapped_column(String(8), default="")
    posted_at: Mapped[datetime]
    text_key: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(String(64))
    negative: Mapped[float]
    neutral: Mapped[float]
    positive: Mapped[float]
    unclear_at: Mapped[datetime | None]


class Quality(Table):
    """How good a model version is believed to be on a week of a brand (from Monday, UTC), without a label of it.

    source, language: empty for all. figures: as `overheard.performance` gives them, for JSON.
    """

    __tablename__ = "qualities"

    brand_id: Mapped[int] = mapped_column(ForeignKey(Brand.id, ondelete="CASCADE"), primary_key=True)
    week: Mapped[datetime] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(String(32), primary_key=True)
    language: Mapped[str] = mapped_column(String(8), primary_key=True)
    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    posts: Mapped[int] = mapped_column(BigInteger)
    figures: Mapped[dict[str, Any]]
    measured_at: Mapped[datetime]


class Drift(Table):
    """How far a week of a brand (from Monday, UTC) is from what the model in service was trained on.

    feature: classes, length, language or vocabulary. figures: as `overheard.drift` gives them, for JSON.
    """

    __tablename__ = "drifts"

    brand_id: Mapped[int] = mapped_column(ForeignKey(Brand.id, ondelete="CASCADE"), primary_key=True)
    week: Mapped[datetime] = mapped_column(primary_key=True)
    feature: Mapped[str] = mapped_column(String(32), primary_key=True)
    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    posts: Mapped[int] = mapped_column(BigInteger)
    is_drift: Mapped[bool]
    figures: Mapped[dict[str, Any]]
    measured_at: Mapped[datetime]
