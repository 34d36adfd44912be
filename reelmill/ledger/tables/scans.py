"""How archives come in: scans, the lines that they could not use, and keys whose content was answered elsewhere."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from reelmill.ledger.tables.columns import NONE_YET, OPEN, metadata, moment, number, of_job

scans = Table(
    "scans",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("batch_id", Uuid, ForeignKey("batches.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("spec", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    Column("cursor", Text),
    Column("listed", BigInteger, nullable=False, server_default=NONE_YET),
    Column("matched", BigInteger, nullable=False, server_default=NONE_YET),
    Column("accepted", BigInteger, nullable=False, server_default=NONE_YET),
    Column("accepted_bytes", BigInteger, nullable=False, server_default=NONE_YET),
    Column("skipped", JSONB, nullable=False, server_default=OPEN),
    Column("tries", Integer, nullable=False, server_default=NONE_YET),
    Column("lease_token", Uuid),
    moment("lease_expires_at"),
    number("lease_s"),
    Column("worker_id", Text),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("error_next_step", Text),
    moment("run_at", nullable=False, default_now=True),
    moment("created_at", nullable=False, default_now=True),
    moment("started_at"),
    moment("finished_at"),
    CheckConstraint("kind IN ('prefix', 'manifest', 'openai')", name="kind"),
    CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="state"),
    CheckConstraint("(state = 'running') = (lease_token IS NOT NULL)", name="lease"),
    CheckConstraint("(lease_token IS NULL) = (lease_expires_at IS NULL)", name="lease_expiry"),
    CheckConstraint("(state = 'failed') = (error_code IS NOT NULL)", name="error"),
)
# Each batch has one scan at most: the two are asked for together again and again.
Index("scans_batch_id_key", scans.c.batch_id, unique=True)
Index("scans_open_idx", scans.c.run_at, postgresql_where=text("state IN ('queued', 'running')"))

scan_problems = Table(
    "scan_problems",
    metadata,
    Column("scan_id", Uuid, ForeignKey("scans.id", ondelete="CASCADE"), primary_key=True),
    Column("line", BigInteger, primary_key=True, autoincrement=False),
    Column("subject", Text),
    Column("message", Text, nullable=False),
)

duplicates = Table(
    "duplicates",
    metadata,
    *of_job(),
    Column("uri", Text, primary_key=True),
    Column("etag", Text),
    Column("version_id", Text),
    Column("size_bytes", BigInteger),
)
Index("duplicates_uri_idx", duplicates.c.uri, postgresql_ops={"uri": "text_pattern_ops"})

purged_fingerprints = Table(
    "purged_fingerprints",
    metadata,
    Column("fingerprint", Uuid, primary_key=True, comment="Hash of the object, its version and what was asked"),
    Column("state", Text, nullable=False, comment="How the job had ended: succeeded, or failed for good"),
    moment("purged_at", nullable=False, default_now=True),
    CheckConstraint("state IN ('succeeded', 'failed')", name="state"),
    comment="Jobs that were purged: a run over an archive leaves their objects out, as it does those of jobs that are"
    " there",
)
