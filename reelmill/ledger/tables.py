"""The tables, as SQLAlchemy metadata. The migrations make them; a test keeps the two equal.

Written for people who write SQL: text, numbers, timestamps, coordinates in source pixels. JSONB only where the
content is truly open (tasks, settings, labels).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

NOW = text("now()")
NONE_YET = text("0")
OPEN = text("'{}'")


def _time(name: str, *, nullable: bool = True, default_now: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=NOW if default_now else None)


def _number(name: str, *, nullable: bool = True) -> Column[float]:
    return Column(name, Float(53), nullable=nullable)


def _of_job(*key: str) -> list[SchemaItem]:
    """The columns that identify a row of one job; rows go when their job goes."""
    job = Column("job_id", Uuid, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    return [job, *_key(*key)]


def _key(*names: str) -> list[Column[int]]:
    return [Column(name, Integer, primary_key=True, autoincrement=False) for name in names]


def _generated() -> list[SchemaItem]:
    """The model's words: without the template's markup, and raw."""
    return [
        Column("text", Text, nullable=False),
        Column("raw_text", Text, nullable=False),
        Column("finish_reason", Text, nullable=False),
        Column("prompt_tokens", Integer, nullable=False),
        Column("output_tokens", Integer, nullable=False),
    ]


def _frame() -> list[SchemaItem]:
    """Which frame a row speaks of: index 0 and no timestamp for an image."""
    return [
        Column("media_ordinal", Integer, nullable=False),
        Column("frame_index", Integer, nullable=False),
        _number("timestamp_s"),
    ]


batches = Table(
    "batches",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text),
    Column("labels", JSONB, nullable=False, server_default=OPEN),
    _time("created_at", nullable=False, default_now=True),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("batch_id", Uuid, ForeignKey("batches.id", ondelete="CASCADE")),
    Column("model", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    Column("priority", SmallInteger, nullable=False, server_default=NONE_YET),
    _time("run_at", nullable=False, default_now=True),
    Column("tasks", JSONB, nullable=False),
    Column("sampling", JSONB, nullable=False),
    Column("generation", JSONB, nullable=False),
    Column("labels", JSONB, nullable=False, server_default=OPEN),
    Column("client_token", Text),
    Column("attempt", Integer, nullable=False, server_default=NONE_YET),
    Column("transient_failures", Integer, nullable=False, server_default=NONE_YET),
    Column("crashes", Integer, nullable=False, server_default=NONE_YET),
    Column("max_attempts", Integer, nullable=False, server_default=text("5")),
    Column("lease_token", Uuid),
    _time("lease_expires_at"),
    _number("lease_s"),
    Column("worker_id", Text),
    _time("cancel_requested_at"),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("error_next_step", Text),
    _time("created_at", nullable=False, default_now=True),
    _time("queued_at", nullable=False, default_now=True),
    _time("started_at"),
    _time("finished_at"),
    _number("fetch_s"),
    _number("decode_s"),
    _number("wait_s"),
    _number("vision_s"),
    _number("generate_s"),
    Column("prompt_tokens", Integer),
    Column("output_tokens", Integer),
    CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="state"),
    CheckConstraint("(state = 'running') = (lease_token IS NOT NULL)", name="lease"),
    CheckConstraint("(lease_token IS NULL) = (lease_expires_at IS NULL)", name="lease_expiry"),
    CheckConstraint("(state = 'failed') = (error_code IS NOT NULL)", name="error"),
    # Room on each page, so that heartbeats update in place; frequent vacuums, because a queue churns.
    postgresql_with={"fillfactor": "85", "autovacuum_vacuum_scale_factor": "0.02"},
)
QUEUED = text("state = 'queued'")
Index(
    "jobs_claim_idx",
    jobs.c.model,
    jobs.c.priority.desc(),
    jobs.c.run_at,
    jobs.c.id,
    postgresql_where=QUEUED,
)
Index("jobs_suspects_idx", jobs.c.model, postgresql_where=text("state = 'queued' AND crashes >= 2"))
# Not on lease_expires_at: every heartbeat would rewrite every index of the row. The running rows are few.
Index("jobs_running_idx", jobs.c.worker_id, postgresql_where=text("state = 'running'"))
Index("jobs_batch_idx", jobs.c.batch_id, jobs.c.state, jobs.c.id)
Index("jobs_created_at_idx", jobs.c.created_at)
Index("jobs_client_token_key", jobs.c.client_token, unique=True)

attempts = Table(
    "attempts",
    metadata,
    *_of_job("attempt"),
    Column("worker_id", Text, nullable=False),
    _time("started_at", nullable=False, default_now=True),
    _time("finished_at"),
    Column("outcome", Text, nullable=False, server_default=text("'running'")),
    Column("error_code", Text),
    Column("error_message", Text),
    CheckConstraint(
        "outcome IN ('running', 'succeeded', 'failed', 'retried', 'released', 'lost', 'cancelled')", name="outcome"
    ),
)

media = Table(
    "media",
    metadata,
    *_of_job("ordinal"),
    Column("uri", Text, nullable=False),
    Column("etag", Text),
    Column("version_id", Text),
    Column("size_bytes", BigInteger),
    Column("sha256", Text),
    Column("kind", Text),
    Column("format", Text),
    Column("codec", Text),
    Column("width", Integer),
    Column("height", Integer),
    Column("frame_count", Integer),
    _number("duration_s"),
    _number("fps"),
    Column("decode_errors", Integer),
    CheckConstraint("kind IN ('image', 'video')", name="kind"),
)
# Pattern operators: equality and LIKE 's3://bucket/prefix/%' whatever the database's collation.
Index("media_uri_idx", media.c.uri, postgresql_ops={"uri": "text_pattern_ops"})

segments = Table(
    "segments",
    metadata,
    *_of_job("ordinal"),
    _number("start_s"),
    _number("end_s"),
    Column("frame_media", ARRAY(Integer), nullable=False),
    Column("frame_indices", ARRAY(Integer), nullable=False),
    Column("frame_timestamps_s", ARRAY(Float(53)), nullable=False),
    Column("tile_counts", ARRAY(Integer), nullable=False),
)

captions = Table("captions", metadata, *_of_job("segment", "task"), *_generated())

answers = Table(
    "answers",
    metadata,
    *_of_job("segment", "task", "ordinal"),
    Column("question", Text, nullable=False),
    *_generated(),
)

groundings = Table(
    "groundings",
    metadata,
    *_of_job("segment", "task", "ordinal"),
    Column("phrase", Text, nullable=False),
    *_frame(),
    Column("tile_count", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("problem", Text),
    *_generated(),
    CheckConstraint("status IN ('found', 'absent', 'malformed')", name="status"),
)

boxes = Table(
    "boxes",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    *(
        Column(name, Integer, primary_key=True, autoincrement=False)
        for name in ("segment", "task", "grounding", "ordinal")
    ),
    Column("phrase", Text, nullable=False),
    Column("label", Text, nullable=False),
    *_frame(),
    *(_number(name, nullable=False) for name in ("x1", "y1", "x2", "y2")),
    *(_number(name, nullable=False) for name in ("x1_px", "y1_px", "x2_px", "y2_px")),
    ForeignKeyConstraint(
        ["job_id", "segment", "task", "grounding"],
        ["groundings.job_id", "groundings.segment", "groundings.task", "groundings.ordinal"],
        name="boxes_grounding_fkey",
        ondelete="CASCADE",
    ),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hostname", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("concurrency", Integer, nullable=False),
    Column("version", Text, nullable=False),
    _time("started_at", nullable=False, default_now=True),
    _time("last_seen_at", nullable=False, default_now=True),
    _time("retired_at"),
)

models = Table(
    "models",
    metadata,
    Column("name", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("revision", Text),
    Column("family", Text, nullable=False),
    Column("dtype", Text, nullable=False),
    _time("first_served_at", nullable=False, default_now=True),
    _time("last_served_at", nullable=False, default_now=True),
)
