"""What people say that texts mean, and the models that learned from it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from overheard.store.tables.base import Table


class Label(Table):
    """What a person says that a text means. A person has one word per text and purpose: the last.

    text_key: by which texts are the same (`overheard.scoring.text.key`). label: 0 negative, 1 neutral, 2 positive.
    purpose: `train`, or `audit`: then the text never trains, whoever else labelled it.
    """

    __tablename__ = "labels"
    __table_args__ = (
        UniqueConstraint("text_key", "labelled_by", "purpose"),
        Index("ix_labels_labelled", "labelled_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    text_key: Mapped[str] = mapped_column(String(64))
    label: Mapped[int]
    purpose: Mapped[str] = mapped_column(String(8))
    source: Mapped[str] = mapped_column(String(64), default="")
    brand: Mapped[str] = mapped_column(String(100), default="")
    labelled_by: Mapped[str] = mapped_column(String(64))
    labelled_at: Mapped[datetime]


class Unclear(Table):
    """A person looked at this text (`overheard.scoring.text.key`) and could not tell: nobody is asked again."""

    __tablename__ = "unclear"

    text_key: Mapped[str] = mapped_column(String(64), primary_key=True)
    labelled_by: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime]


class Model(Table):
    """A model version. Its bundle is in the model store, or where `location` says: what `registry.locate` takes.

    job_id: the training that made it. facts: how it was made and judged, for its card. verdict: the gate's.
    published: {"state", "detail", "at"} of its way to the Hub. mirrored_at: when MLflow last had all of this.
    """

    __tablename__ = "models"
    __table_args__ = (Index("ix_models_created", "created_at", "version"),)

    version: Mapped[str] = mapped_column(String(12), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    base: Mapped[str] = mapped_column(Text)
    location: Mapped[str] = mapped_column(Text, default="")
    data_hash: Mapped[str | None] = mapped_column(String(64))
    job_id: Mapped[str | None] = mapped_column(String(36))
    facts: Mapped[dict[str, Any]]
    verdict: Mapped[dict[str, Any] | None]
    published: Mapped[dict[str, Any] | None]
    mirrored_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Champion(Table):
    """The one row that says which model serves. previous: what a roll-back returns to."""

    __tablename__ = "champion"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[str] = mapped_column(ForeignKey("models.version"))
    previous: Mapped[str | None] = mapped_column(ForeignKey("models.version"))
    changed_by: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime]
    mirrored_at: Mapped[datetime | None]


class Taught(Table):
    """A model version has trained on the label of this text (`overheard.scoring.text.key`)."""

    __tablename__ = "taught"

    text_key: Mapped[str] = mapped_column(String(64), primary_key=True)
    model: Mapped[str] = mapped_column(ForeignKey("models.version", ondelete="CASCADE"), primary_key=True)
