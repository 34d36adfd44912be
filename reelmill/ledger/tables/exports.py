"""Where batches leave their results as files, and how far that is."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from reelmill.ledger.tables.columns import NONE_YET, metadata, moment, number

exports = Table(
    "exports",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("batch_id", Uuid, ForeignKey("batches.id", ondelete="CASCADE"), nullable=False),
    Column("prefix", Text, nullable=False, comment="The files lie below it, in the folder batch=ID/"),
    Column("format", Text, nullable=False),
    Column(
        "state",
        Text,
        nullable=False,
        server_default=text("'waiting'"),
        comment="waiting (for its batch), due, running, succeeded, or failed (given up)",
    ),
    Column("tries", Integer, nullable=False, server_default=NONE_YET, comment="Claims since a file was added last"),
    moment("next_try_at", nullable=False, default_now=True, comment="Not claimed before"),
    moment("due_at", comment="When its batch was seen to be done"),
    moment("as_of", comment="Jobs that succeeded until then are in it: the first claim"),
    Column("cursor", Uuid, comment="The last job in the files that are written"),
    Column(
        "files",
        JSONB,
        nullable=False,
        server_default=text("'[]'"),
        comment="Files that are written: name, jobs, rows, bytes",
    ),
    Column("worker_id", Text),
    Column("lease_token", Uuid),
    number("lease_s"),
    moment("lease_expires_at"),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("error_next_step", Text),
    moment("created_at", nullable=False, default_now=True),
    moment("finished_at"),
    CheckConstraint("format IN ('parquet', 'jsonl')", name="format"),
    CheckConstraint("state IN ('waiting', 'due', 'running', 'succeeded', 'failed')", name="state"),
    CheckConstraint("(state = 'running') = (lease_token IS NOT NULL)", name="lease"),
    CheckConstraint("(state IN ('succeeded', 'failed')) = (finished_at IS NOT NULL)", name="finished"),
    comment="Where batches leave their results as files, and how far that is",
)
Index("exports_batch_prefix_key", exports.c.batch_id, exports.c.prefix, unique=True)
Index("exports_open_idx", exports.c.next_try_at, postgresql_where=text("state IN ('waiting', 'due', 'running')"))
