"""The tables. Times are UTC and aware; ids are strings made by whoever inserts, or counted where rows are many."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time on every database; SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"a time without a zone: {value}")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.replace(tzinfo=UTC) if value is None or value.tzinfo is None else value.astimezone(UTC)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class WholeHour(TypeDecorator[datetime]):
    """The start of an hour (aware), kept as its number since 1970 (UTC): small, and databases can divide it.

    Any time that it is compared with counts as the start of its hour.
    """

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - EPOCH) // timedelta(hours=1)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + timedelta(hours=value)


class Table(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map: ClassVar = {datetime: UtcDateTime, dict[str, Any]: JSON, list[dict[str, Any]]: JSON}


COUNTED = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts by itself only what is called INTEGER


def _partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Over the few rows that are ever looked for, or that exclude each other: the others cost nothing."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


class Job(Table):
    """Work that was accepted and outlives its request. Its id is the Celery task's id.

    state: queued -> running -> succeeded | failed | cancelled; `overheard.store.jobs` holds the transitions.
    lease_until: when it has passed and the job is unfinished, its message is lost and the reaper sends another.
    done_before: what was done already when it was (last) started, and says nothing about the rate.
    rejected: rows of its input that could not be read; they are not among the total.
    options: what was asked for, where the kind of job has a choice. facts: what it tells of itself beyond its progress.
    attempts: how often a worker took a job that is not cut into parts; a number that grew since fences off a worker
    that was thought dead. mirrored_at: when MLflow was told of a training that had ended.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("owner", "idempotency_key"),
        Index("ix_jobs_created", "created_at", "id"),
        Index("ix_jobs_unfinished", "state", "lease_until"),
        _partial_index(
            "ux_jobs_one_training", "kind", where="kind = 'training' AND state IN ('queued', 'running')", unique=True
        ),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    stage: Mapped[str] = mapped_column(String(64))
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    done_before: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[int] = mapped_column(default=0)
    error: Mapped[dict[str, Any] | None]
    options: Mapped[dict[str, Any] | None]
    facts: Mapped[dict[str, Any] | None]
    attempts: Mapped[int] = mapped_column(default=0)
    owner: Mapped[str] = mapped_column(String(64))
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    request_hash: Mapped[str] = mapped_column(String(64))
    lease_until: Mapped[datetime]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    mirrored_at: Mapped[datetime | None]


class Part(Table):
    """A slice of a job's texts, small enough for one task. Free while it has no scores and no live lease.

    size: rows that are done with it; a batch's rows without text are among them, but not among its texts.
    """

    __tablename__ = "parts"
    __table_args__ = (_partial_index("ix_parts_unscored", "job_id", "number", where="scores IS NULL"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int]
    texts: Mapped[bytes] = mapped_column(LargeBinary)
    scores: Mapped[bytes | None] = mapped_column(LargeBinary)
    model: Mapped[str | None] = mapped_column(String(64))
    attempts: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]


class Batch(Table):
    """An uploaded file whose rows a job scores. rejects: the first malformed rows, `{"line", "reason"}` each."""

    __tablename__ = "batches"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    filename: Mapped[str] = mapped_column(String(255))
    format: Mapped[str] = mapped_column(String(16))
    text_column: Mapped[str] = mapped_column(Text)
    prefix: Mapped[str] = mapped_column(Text)
    rejects: Mapped[list[dict[str, Any]]]


class PartRows(Table):
    """The rows that a batch's part came with, all their columns, as a compressed Arrow stream: no worker reads them."""

    __tablename__ = "part_rows"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    rows: Mapped[bytes] = mapped_column(LargeBinary)


class JobLine(Table):
    """One line of a job's log."""

    __tablename__ = "job_lines"
    __table_args__ = (Index("ix_job_lines_job", "job_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    line: Mapped[str] = mapped_column(Text)


class Key(Table):
    """A bearer key: only its SHA-256 is kept (keys are 256 random bits, so a slow hash would add nothing)."""

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(16))
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


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
        _partial_index("ux_feeds_without_brand", "source", "target", where="brand_id IS NULL", unique=True),
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


class Hour(Table):
    """What was said of a brand on a source in one hour (UTC), as one model version reads it.

    A post is in one row of its hour, that of its newest score. model: empty for posts without a score.

    called_*: posts by the most probable class. sum_*: sums of the probabilities. reach: sum of reposts.
    moments: what estimates need beyond that, see `overheard.aggregates.Moments`.
    """

    __tablename__ = "hours"
    __table_args__ = ({"sqlite_with_rowid": False},)

    brand_id: Mapped[int] = mapped_column(ForeignKey("brands.id", ondelete="CASCADE"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(WholeHour, primary_key=True)
    source: Mapped[str] = mapped_column(String(32), primary_key=True)
    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    posts: Mapped[int]
    called_negative: Mapped[int] = mapped_column(default=0)
    called_neutral: Mapped[int] = mapped_column(default=0)
    called_positive: Mapped[int] = mapped_column(default=0)
    sum_negative: Mapped[float] = mapped_column(default=0.0)
    sum_neutral: Mapped[float] = mapped_column(default=0.0)
    sum_positive: Mapped[float] = mapped_column(default=0.0)
    reach: Mapped[int] = mapped_column(default=0)
    moments: Mapped[bytes] = mapped_column(LargeBinary)


class DirtyHour(Table):
    """An hour whose rows in `hours` are out of date. marks: written anew by each who marks it, so that it is locked."""

    __tablename__ = "dirty_hours"

    brand_id: Mapped[int] = mapped_column(ForeignKey("brands.id", ondelete="CASCADE"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(WholeHour, primary_key=True)
    source: Mapped[str] = mapped_column(String(32), primary_key=True)
    marks: Mapped[int] = mapped_column(default=1)


class Forgotten(Table):
    """A post that was deleted on request or by its platform, by a keyed hash of its id: it is not kept again."""

    __tablename__ = "forgotten"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime]


class Taught(Table):
    """A model version has trained on the label of this text (`overheard.scoring.text.key`)."""

    __tablename__ = "taught"

    text_key: Mapped[str] = mapped_column(String(64), primary_key=True)
    model: Mapped[str] = mapped_column(ForeignKey("models.version", ondelete="CASCADE"), primary_key=True)


class Schedule(Table):
    """What somebody changed of an entry of the timetable. cron: five fields (UTC), or None for the entry's own."""

    __tablename__ = "schedules"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    is_paused: Mapped[bool] = mapped_column(default=False)
    cron: Mapped[str | None] = mapped_column(String(100))
    changed_by: Mapped[str] = mapped_column(String(64))
    changed_at: Mapped[datetime]


class Slot(Table):
    """A run of an entry of the timetable: whoever inserts it does it, so a slot that is sent twice is done once.

    due_at: the slot's time; of a run that somebody asked for, when that was. asked_by: empty for the timetable's own.
    """

    __tablename__ = "slots"
    __table_args__ = (Index("ix_slots_due", "due_at"),)

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(primary_key=True)
    asked_by: Mapped[str] = mapped_column(String(64), default="")
    claimed_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str] = mapped_column(Text, default="")


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
