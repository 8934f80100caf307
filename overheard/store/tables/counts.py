"""What was heard and asked, by the hour."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from overheard.store.tables.base import Table, WholeHour
from overheard.store.tables.heard import Brand


class _Counted:
    """What was said of a brand on a source in one language from `hour` on, as one model version reads it.

    A post is in one row of its time, that of its newest score. model: empty for posts without a score; language: empty
    where the platform does not tell it.

    called_*: posts by the most probable class. sum_*: sums of the probabilities. reach: sum of reposts.
    moments: what estimates need beyond that, see `overheard.aggregates.Moments`.
    """

    brand_id: Mapped[int] = mapped_column(ForeignKey(Brand.id, ondelete="CASCADE"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(WholeHour, primary_key=True)
    source: Mapped[str] = mapped_column(String(32), primary_key=True)
    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    language: Mapped[str] = mapped_column(String(8), primary_key=True, default="")
    posts: Mapped[int]
    called_negative: Mapped[int] = mapped_column(default=0)
    called_neutral: Mapped[int] = mapped_column(default=0)
    called_positive: Mapped[int] = mapped_column(default=0)
    sum_negative: Mapped[float] = mapped_column(default=0.0)
    sum_neutral: Mapped[float] = mapped_column(default=0.0)
    sum_positive: Mapped[float] = mapped_column(default=0.0)
    reach: Mapped[int] = mapped_column(default=0)
    moments: Mapped[bytes] = mapped_column(LargeBinary)


class Hour(_Counted, Table):
    """An hour (UTC), counted from its posts."""

    __tablename__ = "hours"
    __table_args__ = ({"sqlite_with_rowid": False},)


class Quarter(_Counted, Table):
    """The sum of six hours, of which a day (UTC) has four: weeks and years are read from these."""

    __tablename__ = "quarters"
    __table_args__ = ({"sqlite_with_rowid": False},)


class DirtyHour(Table):
    """An hour whose rows in `hours` are out of date. marks: written anew by each who marks it, so that it is locked."""

    __tablename__ = "dirty_hours"

    brand_id: Mapped[int] = mapped_column(ForeignKey(Brand.id, ondelete="CASCADE"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(WholeHour, primary_key=True)
    source: Mapped[str] = mapped_column(String(32), primary_key=True)
    marks: Mapped[int] = mapped_column(default=1)


class CallHour(Table):
    """What callers of POST /inference were told in one hour (UTC) by one model version, all texts together."""

    __tablename__ = "call_hours"

    hour: Mapped[datetime] = mapped_column(WholeHour, primary_key=True)
    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    texts: Mapped[int]
    sum_negative: Mapped[float]
    sum_neutral: Mapped[float]
    sum_positive: Mapped[float]


class MirroredHour(Table):
    """MLflow was told of what was heard and asked in this hour."""

    __tablename__ = "mirrored_hours"

    hour: Mapped[datetime] = mapped_column(WholeHour, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
