"""What is asked and how it went: batches, jobs, their attempts and their media."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from reelmill.ledger.tables.columns import NONE_YET, ONLINE, OPEN, metadata, moment, number, of_job

batches = Table(
    "batches",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text),
    Column("labels", JSONB, nullable=False, server_default=OPEN),
    moment("created_at", nullable=False, default_now=True),
)
Index("batches_created_at_idx", batches.c.created_at, info=ONLINE)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("batch_id", Uuid, ForeignKey("batches.id", ondelete="CASCADE")),
    Column("model", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    Column("priority", SmallInteger, nullable=False, server_default=NONE_YET),
    moment("run_at", nullable=False, default_now=True),
    Column("tasks", JSONB, nullable=False),
    Column("sampling", JSONB, nullable=False),
    Column("generation", JSONB, nullable=False),
    Column("labels", JSONB, nullable=False, server_default=OPEN),
    Column("client_token", Text),
    Column("fingerprint", Uuid),
    Column("attempt", Integer, nullable=False, server_default=NONE_YET),
    Column("transient_failures", Integer, nullable=False, server_default=NONE_YET),
    Column("crashes", Integer, nullable=False, server_default=NONE_YET),
    Column("max_attempts", Integer, nullable=False, server_default=text("5")),
    Column("lease_token", Uuid),
    moment("lease_expires_at"),
    number("lease_s"),
    Column("worker_id", Text),
    moment("cancel_requested_at"),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("error_next_step", Text),
    moment("created_at", nullable=False, default_now=True),
    moment("queued_at", nullable=False, default_now=True),
    moment("started_at"),
    moment("finished_at"),
    number(
        "fetch_s", comment="Seconds from asking for the first media to holding the last; versions are pinned meanwhile."
    ),
    number("decode_s", comment="Seconds in which the media became tiles, the wait for a free decode process included."),
    number(
        "wait_s",
        comment="Seconds that the slowest request stood in the engine's queue; summed over rounds of a conversation.",
    ),
    number(
        "vision_s", comment="Seconds in which that request's tiles were encoded, together with those of its neighbours."
    ),
    number(
        "prefill_s",
        comment="Seconds from there to its first token; 0 where the engine cannot tell, then generate_s has them.",
    ),
    number("generate_s", comment="Seconds from its first token to its last."),
    number("write_s", comment="Seconds that the database took to write the results, up to the commit."),
    Column(
        "tiles", Integer, comment="Tiles that the media became, each counted once, however many questions were asked."
    ),
    Column("prompt_tokens", Integer, comment="Tokens of all prompts together, those that stand for tiles included."),
    Column("output_tokens", Integer, comment="Tokens generated for all answers together."),
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
Index("jobs_fingerprint_idx", jobs.c.fingerprint, postgresql_where=text("fingerprint IS NOT NULL"))
# One active job per fingerprint, whoever scans what at the same time.
Index(
    "jobs_active_fingerprint_key",
    jobs.c.fingerprint,
    unique=True,
    postgresql_where=text("state IN ('queued', 'running')"),
)
# What dashboards ask on ten million jobs (BENCHMARKS.md, `queries`). None has an entry for a job before its end.
FINISHED = text("finished_at IS NOT NULL")
Index("jobs_batch_finished_idx", jobs.c.batch_id, jobs.c.finished_at, postgresql_where=FINISHED, info=ONLINE)
# As Postgres itself writes it, or Alembic sees a difference.
HOUR = text("date_bin('01:00:00'::interval, finished_at, '2000-01-01 00:00:00+00'::timestamp with time zone)")
Index("jobs_finished_hour_idx", HOUR, postgresql_where=FINISHED, info=ONLINE, _table=jobs)
FAILED = text("state = 'failed'")
Index("jobs_failed_idx", jobs.c.batch_id, jobs.c.error_code, jobs.c.id, postgresql_where=FAILED, info=ONLINE)

attempts = Table(
    "attempts",
    metadata,
    *of_job("attempt"),
    Column("worker_id", Text, nullable=False),
    moment("started_at", nullable=False, default_now=True),
    moment("finished_at"),
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
    *of_job("ordinal"),
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
    number("duration_s"),
    number("fps"),
    Column("decode_errors", Integer),
    CheckConstraint("kind IN ('image', 'video')", name="kind"),
)
# Pattern operators: equality and LIKE 's3://bucket/prefix/%' whatever the database's collation.
Index("media_uri_idx", media.c.uri, postgresql_ops={"uri": "text_pattern_ops"})
